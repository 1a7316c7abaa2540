'use strict';

// A page on which nothing fits goes on by itself, since each looks through so many rows only. Back does not lead to it.
const more = document.querySelector('[data-none] ~ nav a[rel=next]');
if (more) location.replace(more.href);

// Keeps a page fresh: asks for it again and puts in what has changed, region by region. It rests while nobody looks, and when it is told to.
// Without this script every page and form works as it is.
(() => {
	const every = 5000, key = 'pay-console-paused';
	const { pause, go, lost } = document.body.dataset;
	if (!('live' in document.body.dataset)) return;
	let paused = sessionStorage.getItem(key) === '1', timer = 0, asking = false;

	const button = document.createElement('button');
	button.type = 'button';
	const trouble = document.createElement('span');
	trouble.className = 'stale';
	trouble.setAttribute('role', 'status');
	document.getElementById('live').append(button, ' ', trouble);

	const label = () => { button.textContent = paused ? go : pause; };
	const later = () => {
		clearTimeout(timer);
		if (!paused && !document.hidden) timer = setTimeout(refresh, every);
	};

	// A region that somebody is at, with the keyboard or by marking text, stays as it is.
	const busy = (region) => {
		const marked = getSelection();
		return (document.activeElement !== document.body && region.contains(document.activeElement)) || (!marked.isCollapsed && region.contains(marked.anchorNode));
	};

	async function refresh() {
		if (asking) return;
		asking = true;
		try {
			const answer = await fetch(location.href, { signal: AbortSignal.timeout(20000), cache: 'no-store' });
			if (!answer.ok) throw new Error(answer.status);
			const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
			if (paused || document.hidden) return;
			for (const region of document.querySelectorAll('[data-region], #fresh')) {
				const next = fresh.getElementById(region.id);
				if (!next || busy(region) || next.innerHTML === region.innerHTML) continue;
				for (const open of region.querySelectorAll('details[open][id]')) next.querySelector('#' + CSS.escape(open.id))?.setAttribute('open', '');
				const wide = region.querySelector('.wide')?.scrollLeft;
				region.replaceChildren(...document.importNode(next, true).childNodes);
				if (wide) region.querySelector('.wide')?.scrollTo(wide, 0);
			}
			trouble.textContent = '';
		} catch {
			trouble.textContent = lost;
		} finally {
			asking = false;
			later();
		}
	}

	button.addEventListener('click', () => {
		paused = !paused;
		sessionStorage.setItem(key, paused ? '1' : '');
		label();
		if (paused) later(); else refresh();
	});
	document.addEventListener('visibilitychange', () => { if (document.hidden || paused) later(); else refresh(); });
	label();
	later();
})();
