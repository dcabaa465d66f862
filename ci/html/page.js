'use strict';
(() => {
	const form = document.querySelector('.filter');
	if (form) {
		const cases = Array.from(document.querySelectorAll('.regions tbody'), (body) => ({ body, text: body.textContent.toLowerCase(), regions: Number(body.dataset.regions) }));
		const total = cases.reduce((sum, { regions }) => sum + regions, 0);
		const output = form.querySelector('output');
		const nothing = document.querySelector('.nothing');
		const show = () => {
			const want = new FormData(form);
			const words = want.get('text').toLowerCase().split(/\s+/).filter(Boolean);
			let n = 0;
			for (const { body, text, regions } of cases) {
				const fits = ['change', 'journey', 'family'].every((key) => !want.get(key) || body.dataset[key].split(' ').includes(want.get(key))) &&
					words.every((word) => text.includes(word));
				body.hidden = !fits;
				n += fits ? regions : 0;
			}
			nothing.hidden = n > 0;
			output.textContent = n === total ? '' : n + ' of ' + total;
		};
		form.addEventListener('input', show);
		form.addEventListener('submit', (event) => event.preventDefault());
		nothing.querySelector('button').addEventListener('click', () => {
			form.reset();
			show();
			form.elements.text.focus();
		});
		form.hidden = cases.length < 2;
		show();
	}

	const folds = document.querySelector('.folds');
	if (folds) {
		folds.addEventListener('click', (event) => {
			const button = event.target.closest('button');
			if (!button) return;
			for (const chain of document.querySelectorAll('.chain')) chain.open = button.dataset.fold === 'open';
		});
		folds.hidden = document.querySelectorAll('.chain').length < 2;
	}

	// A link into a folded chain unfolds it.
	const unfold = () => {
		const at = location.hash && document.getElementById(location.hash.slice(1));
		if (at && at.tagName === 'DETAILS') at.open = true;
	};
	addEventListener('hashchange', unfold);
	unfold();
})();
