// Plays the phone: the calls are those of a mini program, made to the real routes. What lights up beside it is what the server
// says that it has seen.
(() => {
	'use strict';
	const $ = (id) => document.getElementById(id);
	const words = document.body.dataset;
	let session = '';
	let charge = null;
	let feed = null;

	const at = (place) => { $('phone').dataset.at = place; };
	const price = (fen) => `${Math.floor(fen / 100)}.${String(fen % 100).padStart(2, '0')}`;

	async function call(method, path, body) {
		const headers = { 'Content-Type': 'application/json' };
		if (session) headers['X-Pay-Session'] = session;
		const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
		const said = await answer.json().catch(() => ({}));
		if (!answer.ok) throw new Error(said.detail || `${path}: ${answer.status}`);
		return said;
	}

	function light(step, saw, left) {
		const li = $(`step-${step}`);
		if (!li) return;
		li.classList.add('lit');
		li.classList.toggle('left', Boolean(left));
		li.querySelector('.saw').textContent = saw;
	}

	function darken() {
		$('idle').hidden = true;
		for (const li of document.querySelectorAll('#steps li')) {
			li.classList.remove('lit', 'left');
			li.querySelector('.saw').textContent = '';
		}
	}

	// follow shows what everybody has seen of an order, as it happens.
	function follow(orderNo) {
		if (feed) feed.close();
		feed = new EventSource(`/demo/steps?order_no=${encodeURIComponent(orderNo)}`);
		feed.onmessage = (message) => {
			const seen = JSON.parse(message.data);
			for (const [step, saw] of Object.entries(seen.steps)) {
				if (step === 'client_confirmed' && charge) continue; // this phone asks for itself
				light(step, saw);
			}
			showOrders(seen.orders);
			showLog(seen.log);
		};
	}

	function element(name, text, className) {
		const e = document.createElement(name);
		e.textContent = text;
		if (className) e.className = className;
		return e;
	}

	function showOrders(orders) {
		const rows = orders.map((o) => {
			const row = document.createElement('tr');
			const state = document.createElement('td');
			state.append(element('span', words[o.status] || o.status, `pill ${o.status}`));
			row.append(element('td', o.order_no), element('td', o.product), element('td', `¥${price(o.amount)}`), state);
			return row;
		});
		$('orders').tBodies[0].replaceChildren(...(rows.length ? rows : [element('tr', words.none, 'soft')]));
	}

	function showLog(log) {
		const lines = log.slice(0, 6).map((l) => {
			const li = element('li', l.text);
			li.prepend(element('time', l.at), element('b', l.call));
			return li;
		});
		$('log').replaceChildren(...(lines.length ? lines : [element('li', words.none, 'soft')]));
	}

	function failed(err) {
		at('shop');
		$('said').textContent = `${words.failed}: ${err.message}`;
	}

	async function buy() {
		const product = document.querySelector('[name="product"]:checked').value;
		$('said').textContent = '';
		darken();
		at('wait');
		session = '';
		charge = null;
		const { code } = await call('POST', '/demo/login');
		light('login', `wx.login → ${code.slice(0, 8)}…`);
		const login = await call('GET', `/pay/openid?code=${encodeURIComponent(code)}`);
		session = login.session;
		light('openid', `GET /pay/openid → ${login.openid.slice(0, 10)}…`);
		const order = await call('POST', '/orders', { product });
		follow(order.order_no);
		charge = await call('POST', '/pay/charges', { order_no: order.order_no, channel: 'wx_lite' });
		$('sum').textContent = price(charge.amount);
		at('sheet');
		$('confirm').focus();
	}

	// pay does what pingpp.js does in test mode in place of WeChat's sheet, and then asks the server, which alone knows.
	async function pay() {
		at('wait');
		const answer = await fetch(`/notify/charges/${charge.id}?livemode=false`);
		if (await answer.text() !== 'success') throw new Error(`/notify/charges: ${answer.status}`);
		for (;;) {
			const c = await call('GET', `/pay/charges/${charge.id}?wait=25s&client=success`);
			if (!c.paid && !c.order_paid) continue;
			light('client_confirmed', `GET /pay/charges/${c.id} → ${c.status}`);
			return at('done');
		}
	}

	async function desktop() {
		session = ''; // a browser has none
		const product = document.querySelector('[name="product"]:checked').value;
		const order = await call('POST', '/orders', { product });
		location.assign(`/pay/checkout?order_no=${encodeURIComponent(order.order_no)}`);
	}

	$('buy').onclick = () => buy().catch(failed);
	$('confirm').onclick = () => pay().catch(failed);
	$('cancel').onclick = () => {
		call('GET', `/pay/charges/${charge.id}?client=cancel`).catch(() => {});
		at('shop');
		$('said').textContent = words.canceled;
	};
	$('again').onclick = () => at('shop');
	$('desktop').onclick = () => desktop().catch(failed);

	const back = new URLSearchParams(location.search).get('order_no'); // from the checkout page
	if (back) {
		darken();
		light('login', words.skipped, true);
		light('openid', '', true);
	}
	follow(back || '');
})();
