// Plays the phone: the calls are those of a mini program, made to the real routes. What lights up beside it is what the server
// says that it has seen.
(() => {
	'use strict';
	const $ = (id) => document.getElementById(id);
	const words = document.body.dataset;
	let session = '';
	let charge = null;
	let current = ''; // the order whose steps are shown

	// at shows a place of the phone. What lies behind it can be neither pressed nor reached by keys.
	function at(place, focus) {
		$('phone').dataset.at = place;
		for (const e of document.querySelectorAll('.bar, .goods, #buy')) e.inert = place !== 'shop';
		$('sheet').inert = place !== 'sheet';
		if (focus) $(focus).focus();
	}
	const price = (fen) => `${Math.floor(fen / 100)}.${String(fen % 100).padStart(2, '0')}`;

	async function call(method, path, body, as = session) {
		const headers = { 'Content-Type': 'application/json' };
		if (as) headers['X-Pay-Session'] = as;
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
		li.classList.remove('wait');
		li.querySelector('.saw').textContent = saw;
		now();
	}

	// wait says of the delivery that the backend has not taken it yet.
	function wait({ attempts, status }) {
		const li = $('step-event_delivered');
		const what = status && status !== 502 ? words.answered.replace('{status}', status) : words.silent;
		li.classList.add('wait');
		li.querySelector('.saw').textContent = words.waits.replace('{n}', attempts).replace('{what}', what);
		now();
	}

	// now tells the steps once more at the edge of a small screen, where they are out of sight.
	function now() {
		const all = [...document.querySelectorAll('#steps li')];
		const waits = all.find((li) => li.classList.contains('wait'));
		const last = waits || all.filter((li) => li.classList.contains('lit')).pop();
		$('now').hidden = !last;
		if (!last) return;
		const dots = $('now').querySelectorAll('i');
		all.forEach((li, n) => { dots[n].className = li.classList.contains('wait') ? 'wait' : li.classList.contains('lit') ? 'lit' : ''; });
		$('now').querySelector('b').textContent = `${all.filter((li) => li.classList.contains('lit')).length}/${all.length}`;
		$('now').querySelector('.what').textContent = waits ? waits.querySelector('.saw').textContent : last.querySelector('.text').firstChild.textContent;
	}

	function darken() {
		$('idle').hidden = true;
		for (const li of document.querySelectorAll('#steps li')) {
			li.classList.remove('lit', 'left', 'wait');
			li.querySelector('.saw').textContent = '';
		}
	}

	// follow shows what everybody has seen, as it happens, for as long as the page is open.
	function follow() {
		new EventSource('/demo/steps').onmessage = (message) => {
			const seen = JSON.parse(message.data);
			const order = seen.orders.find((o) => o.order_no === current);
			for (const [step, saw] of Object.entries(order ? order.steps : {})) {
				if (step === 'client_confirmed' && charge) continue; // this phone asks for itself
				light(step, saw);
			}
			if (order && order.waiting) wait(order.waiting);
			showOrders(seen.orders);
			showLog(seen.log);
			showOutage(seen);
			showKept(seen.kept);
		};
	}

	function showOutage(seen) {
		$('outage').toggleAttribute('data-on', Boolean(seen.broken));
		$('break').textContent = seen.broken ? words.mend : words.break;
		$('broken').textContent = seen.broken ? words.broken.replace('{s}', seen.broken_for) : '';
	}

	// showKept shows what has become of the newest payment whose money WeChat has kept.
	function showKept(kept) {
		const steps = kept ? kept.steps : {};
		for (const li of document.querySelectorAll('#kept li')) {
			li.classList.toggle('lit', li.id in steps);
			li.querySelector('.saw').textContent = steps[li.id] || '';
		}
		$('receive').disabled = !steps.shipping_reported || Boolean(steps.money_released);
	}

	// live is a whole payment, made by somebody else's phone in the second shop, which is live.
	async function live() {
		const { code } = await call('POST', '/demo/login');
		const { session: theirs } = await call('GET', `/live/openid?code=${encodeURIComponent(code)}`);
		const product = document.querySelector('[name="product"]:checked').value;
		const order = await call('POST', '/live-shop/orders', { product }, theirs);
		const paid = await call('POST', '/live/charges', { order_no: order.order_no, channel: 'wx_lite' }, theirs);
		await call('POST', '/demo/pay', { charge: paid.id });
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
		at('shop', 'buy');
		$('said').textContent = `${words.failed}: ${err.message}`;
	}

	async function buy() {
		const product = document.querySelector('[name="product"]:checked').value;
		$('said').textContent = '';
		darken();
		at('wait');
		session = '';
		charge = null;
		current = '';
		const { code } = await call('POST', '/demo/login');
		light('login', `wx.login → ${code.slice(0, 8)}…`);
		const login = await call('GET', `/pay/openid?code=${encodeURIComponent(code)}`);
		session = login.session;
		light('openid', `GET /pay/openid → ${login.openid.slice(0, 10)}…`);
		const order = await call('POST', '/orders', { product });
		current = order.order_no;
		charge = await call('POST', '/pay/charges', { order_no: order.order_no, channel: 'wx_lite' });
		$('sum').textContent = price(charge.amount);
		at('sheet', 'confirm');
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
			return at('done', 'again');
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
	function cancel() {
		call('GET', `/pay/charges/${charge.id}?client=cancel`).catch(() => {});
		at('shop', 'buy');
		$('said').textContent = words.canceled;
	}

	// The sheet's keys: Esc gives up, Tab stays inside.
	$('sheet').onkeydown = (event) => {
		if (event.key === 'Escape') cancel();
		if (event.key !== 'Tab') return;
		event.preventDefault();
		$(document.activeElement === $('confirm') ? 'cancel' : 'confirm').focus();
	};
	$('cancel').onclick = cancel;
	$('again').onclick = () => at('shop', 'buy');
	$('outage').onsubmit = (event) => {
		event.preventDefault();
		const kind = $('outage').hasAttribute('data-on') ? '' : new FormData($('outage')).get('kind');
		call('POST', '/demo/break', { kind }).catch(failed);
	};
	$('live').onclick = () => live().catch(failed);
	$('receive').onclick = () => call('POST', '/demo/receive').catch(failed);
	$('desktop').onclick = () => desktop().catch(failed);

	const back = new URLSearchParams(location.search).get('order_no'); // from the checkout page
	if (back) {
		darken();
		light('login', words.skipped, true);
		light('openid', '', true);
		current = back;
	}
	follow();
})();
