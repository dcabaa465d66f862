'use strict';
(() => {
	const form = document.querySelector('.filter');
	if (form) {
		const rows = Array.from(document.querySelectorAll('.regions tbody tr'), (row) => ({ row, text: row.textContent.toLowerCase() }));
		const output = form.querySelector('output');
		const nothing = document.querySelector('.nothing');
		const show = () => {
			const want = new FormData(form);
			const words = want.get('text').toLowerCase().split(/\s+/).filter(Boolean);
			let n = 0;
			for (const { row, text } of rows) {
				const fits = ['change', 'journey', 'family'].every((key) => !want.get(key) || row.dataset[key] === want.get(key)) &&
					words.every((word) => text.includes(word));
				row.hidden = !fits;
				n += fits ? 1 : 0;
			}
			nothing.hidden = n > 0;
			output.textContent = n === rows.length ? '' : n + ' of ' + rows.length;
		};
		form.addEventListener('input', show);
		form.addEventListener('submit', (event) => event.preventDefault());
		nothing.querySelector('button').addEventListener('click', () => {
			form.reset();
			show();
			form.elements.text.focus();
		});
		form.hidden = rows.length < 2;
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
