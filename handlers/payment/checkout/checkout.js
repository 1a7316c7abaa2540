// Drives the checkout page: makes the charge, shows or opens it, waits for the payment, and goes back to the shop. It decides
// nothing about money: amounts and results come from the server, and what counts is what the shop is told.
(() => {
	'use strict';
	const page = document.getElementById('checkout');
	const { prefix, order, back, auto, mock, notify, channelCodes, finalCodes } = page.dataset;
	const $ = (id) => document.getElementById(id);
	const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

	let current = null; // the charge on the screen: {id, channel, expire, link}
	let finished = false;
	let turn = 0; // counts what the payer asks for, so that a late answer changes nothing
	let skew = 0; // how far the server's clock is ahead, in seconds
	const watched = new Set();
	const has = (words, word) => words.split(' ').includes(word);

	function show(state, way) {
		page.dataset.state = state;
		if (way) page.dataset.way = way;
		tick();
	}

	function refuse(problem) {
		if (finished) return;
		if (problem.code === 'order_already_paid') return finish('already');
		if (problem.code === 'order_not_found') return show('notfound');
		// A channel that refused is not tried again; the others stay open, and where one is left it takes the button's place.
		const choices = [...document.querySelectorAll('[data-channel]')];
		const tried = choices.find((b) => b.getAttribute('aria-pressed') === 'true');
		const ours = has(channelCodes, problem.code);
		if (tried && ours) {
			tried.disabled = true;
			tried.setAttribute('aria-pressed', 'false');
		}
		page.toggleAttribute('data-others', (ours || has('provider_unavailable provider_timeout', problem.code)) && choices.some((b) => b !== tried && !b.disabled));
		$('detail').textContent = problem.detail || page.dataset.offline;
		$('code').textContent = problem.code || '';
		$('retry').hidden = has(finalCodes, problem.code);
		show('refused');
	}

	function finish(state) {
		finished = true;
		show(state);
		if (back && state === 'paid') setTimeout(() => location.replace(back), 2500);
	}

	async function call(path, init) {
		let answer;
		try {
			answer = await fetch(prefix + path, Object.assign({ credentials: 'same-origin', cache: 'no-store' }, init));
		} catch {
			throw { offline: true };
		}
		const date = Date.parse(answer.headers.get('Date'));
		if (date) skew = Math.round((date - Date.now()) / 1000);
		const body = await answer.json().catch(() => ({}));
		if (!answer.ok) throw Object.assign(body, { retry: Number(answer.headers.get('Retry-After')) });
		return body;
	}

	async function charge(channel) {
		for (let tries = 0; ; tries++) {
			try {
				return await call('/charges', {
					method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ order_no: order, channel }),
				});
			} catch (problem) {
				if (!(problem.code === 'charge_in_progress' || problem.offline) || tries === 3) throw problem;
				await sleep(1000 * (problem.retry || 1));
			}
		}
	}

	// outcome is how it has ended for the payer of a charge; empty while it has not, or when he may try again.
	const outcome = (c) => {
		if (c.status === 'held') return 'held';
		if (!c.order_paid) return '';
		return c.paid ? 'paid' : 'other';
	};

	// end shows the outcome. Where another payment of the order succeeded, that may be one which this page has made.
	async function end(c) {
		let state = outcome(c);
		for (const id of state === 'other' ? watched : []) {
			const own = await call(`/charges/${id}`).catch(() => ({}));
			if (['paid', 'held'].includes(outcome(own))) state = outcome(own);
		}
		if (!finished) finish(state);
	}

	// watch waits for a charge's end. Every charge that this page has made is watched: a code that was scanned before another
	// channel was picked may still be paid.
	async function watch(id) {
		if (watched.has(id)) return;
		watched.add(id);
		while (!finished) {
			try {
				const c = await call(`/charges/${id}?wait=25s`);
				if (finished) return;
				if (outcome(c)) return await end(c);
				if (c.status !== 'created') {
					watched.delete(id);
					if (current && current.id === id && page.dataset.state === 'waiting') show('expired');
					return;
				}
			} catch (problem) {
				if (problem.status === 401 || problem.status === 404) { watched.delete(id); return; }
				await sleep(1000 * (problem.retry || 3));
			}
		}
	}

	const money = (fen) => `${String(Math.floor(fen / 100)).replace(/\B(?=(\d{3})+$)/g, ',')}.${String(fen % 100).padStart(2, '0')}`;
	const web = (url) => /^https?:\/\//.test(url);

	// alipay writes the address of Alipay's gateways. Addresses in the older ones' fields come encoded, were signed like that, and are encoded
	// once more. Those gateways are named by no channel_url, or by the old one of phones' pages, and want to know the character set.
	function alipay(fields) {
		const old = 'req_data' in fields;
		const to = old ? 'https://wappaygw.alipay.com/service/rest.htm' : fields.channel_url || 'https://mapi.alipay.com/gateway.do';
		if (!web(to)) return '';
		const all = Object.assign({}, fields);
		delete all.channel_url;
		if (!('_input_charset' in all) && (old || ['alipay.wap.create.direct.pay.by.user', 'create_direct_pay_by_user'].includes(all.service))) {
			all._input_charset = 'utf-8';
		}
		return `${to}?${Object.entries(all).map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&')}`;
	}

	// gateway is what opens a charge in a browser: an address, or a form that is sent there.
	function gateway(c) {
		const credential = c.credential[c.channel];
		const page = typeof credential === 'string' ? credential : credential && credential.url;
		if (page && web(page)) return { url: page };
		if (!c.livemode && mock) return { url: `${mock}?ch_id=${encodeURIComponent(c.id)}&channel=${encodeURIComponent(c.channel)}` };
		if (c.channel.startsWith('alipay')) return { url: alipay(credential || {}) };
		const fields = Object.assign({}, credential);
		const to = fields.channel_url || 'https://gateway.95516.com/gateway/api/frontTransReq.do';
		delete fields.channel_url;
		if (!web(to)) return {};
		return { form: { to, fields } };
	}

	function leave({ url, form }) {
		if (url) return location.assign(url);
		const f = document.createElement('form');
		f.method = 'post';
		f.action = form.to;
		for (const [name, value] of Object.entries(form.fields)) {
			const input = document.createElement('input');
			Object.assign(input, { type: 'hidden', name, value });
			f.append(input);
		}
		document.body.append(f);
		f.submit();
	}

	// inWeChat opens WeChat's payment sheet and says what came of it: success, cancel or fail. In test mode there is none: Ping++ is told
	// instead, as its own library does.
	async function inWeChat(c) {
		if (!c.livemode) {
			const answer = await fetch(`${notify}${c.id}?livemode=false`).then((r) => r.text(), () => '');
			return answer === 'success' ? 'success' : 'fail';
		}
		if (typeof WeixinJSBridge === 'undefined') {
			await new Promise((ready) => document.addEventListener('WeixinJSBridgeReady', ready, { once: true }));
		}
		const result = await new Promise((done) => WeixinJSBridge.invoke('getBrandWCPayRequest', c.credential[c.channel], done));
		return { 'get_brand_wcpay_request:ok': 'success', 'get_brand_wcpay_request:cancel': 'cancel' }[result.err_msg] || 'fail';
	}

	async function pay(button) {
		const { channel, way } = button.dataset;
		const mine = ++turn;
		for (const b of document.querySelectorAll('[data-channel]')) b.setAttribute('aria-pressed', String(b === button));
		show('loading');
		let c;
		try {
			c = await charge(channel);
		} catch (problem) {
			if (mine === turn) refuse(problem);
			return;
		}
		if (mine !== turn || finished) return;
		const amount = money(c.amount);
		const changed = $('amount').textContent !== amount;
		$('amount').textContent = amount;
		$('subject').textContent = c.subject;
		const life = Number(button.dataset.life); // of what is scanned or opened; the charge may last longer
		current = { id: c.id, expire: life ? Math.min(c.time_expire, c.created + life) : c.time_expire };
		watch(c.id);
		const link = way === 'scan' && !c.livemode ? gateway(c).url : '';
		$('mock').parentElement.classList.toggle('now', Boolean(link));
		if (link) $('mock').href = link;
		if (way === 'scan') {
			const picture = new Image();
			picture.src = `${prefix}/charges/${c.id}/qr.svg`;
			try {
				await picture.decode();
			} catch {
				const now = await call(`/charges/${c.id}`).catch(() => ({})); // the order may have been paid just now
				if (mine !== turn || finished) return;
				if (outcome(now)) return end(now);
				refuse({});
				return;
			}
			if (mine !== turn || finished) return;
			$('qr').src = picture.src;
			for (const hint of document.querySelectorAll('[data-hint]')) hint.classList.toggle('now', hint.dataset.hint === channel);
			return show('waiting', 'scan');
		}
		if (way === 'wechat') {
			$('pay-wechat').onclick = async () => {
				const saw = await inWeChat(c);
				call(`/charges/${c.id}?client=${saw}`).catch(() => {});
			};
			show('waiting', 'wechat');
			if (c.livemode && !changed) $('pay-wechat').click();
			return;
		}
		const to = gateway(c);
		if (!to.url && !to.form) return refuse({});
		$('again').onclick = (event) => { event.preventDefault(); leave(to); };
		show('waiting', 'open');
		if (!changed) leave(to); // another price than the payer has seen is shown first
	}

	function tick() {
		if (!current?.expire || page.dataset.state !== 'waiting') return;
		const left = Math.max(0, Math.round(current.expire - Date.now() / 1000 - skew));
		const pad = (n) => String(n).padStart(2, '0');
		const hours = Math.floor(left / 3600);
		$('timer').textContent = (hours ? `${hours}:${pad(Math.floor(left / 60) % 60)}` : Math.floor(left / 60)) + `:${pad(left % 60)}`;
		if (left === 0) show('expired');
	}

	async function start() {
		if (page.dataset.state === 'paid') return finish('paid');
		if (page.dataset.state !== 'loading') return;
		if (page.dataset.charge) { // an earlier attempt of this visitor: it may have been paid while the page was away
			try {
				const c = await call(`/charges/${page.dataset.charge}`);
				if (outcome(c)) return await end(c);
				if (c.status === 'created') watch(c.id);
			} catch { /* it is only a chance to be quick */ }
		}
		const first = auto && document.querySelector(`[data-channel="${auto}"]`);
		if (first) return pay(first);
		show('choose');
	}

	for (const button of document.querySelectorAll('[data-channel]')) button.onclick = () => pay(button);
	$('renew').onclick = () => pay(document.querySelector('[data-channel][aria-pressed="true"]') || document.querySelector('[data-channel]'));
	page.dataset.script = '';
	setInterval(tick, 500);
	start();
})();
