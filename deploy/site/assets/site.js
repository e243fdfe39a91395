/** Search and theme. The pages work without it. A classic script, because a module cannot be loaded from a folder. */

(() => {
  const root = document.documentElement.dataset.root;

  // Theme: what the system says, until the reader chooses.
  const button = document.querySelector('.theme');
  const stored = read('theme');
  if (stored) document.documentElement.dataset.theme = stored;
  button.hidden = false;
  button.addEventListener('click', () => {
    const dark = matchMedia('(prefers-color-scheme: dark)').matches;
    const current = document.documentElement.dataset.theme ?? (dark ? 'dark' : 'light');
    const next = current === 'dark' ? 'light' : 'dark';
    document.documentElement.dataset.theme = next;
    try {
      localStorage.setItem('theme', next);
    } catch {
      // A browser may keep nothing for pages of a folder.
    }
  });

  function read(name) {
    try {
      return localStorage.getItem(name);
    } catch {
      return null;
    }
  }

  // On a narrow screen the list of pages stands above the page, and would push it out of sight.
  const pages = document.querySelector('nav details');
  if (matchMedia('(max-width: 48rem)').matches) pages.open = false;

  // Search: loaded when it is first used.
  const box = document.querySelector('search');
  const input = box.querySelector('input');
  const results = box.querySelector('ol');
  box.hidden = false;
  let loading;

  input.addEventListener('focus', load, { once: true });
  input.addEventListener('input', show);
  input.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') {
      input.value = '';
      show();
    } else if (event.key === 'Enter') {
      results.querySelector('a')?.click();
    } else if (event.key === 'ArrowDown') {
      event.preventDefault();
      results.querySelector('a')?.focus();
    }
  });
  document.addEventListener('keydown', (event) => {
    if (event.key !== '/' || /^(?:INPUT|TEXTAREA)$/.test(event.target.tagName)) return;
    event.preventDefault();
    input.focus();
  });

  function load() {
    loading ??= Promise.all(['minisearch', 'search-index'].map(script)).then(() =>
      globalThis.MiniSearch.loadJSON(globalThis.searchIndex, {
        fields: ['title', 'page', 'text'],
        storeFields: ['title', 'page', 'path'],
        searchOptions: { prefix: true, fuzzy: 0.2, combineWith: 'AND', boost: { title: 3, page: 2 } },
      }),
    );
    return loading;
  }

  function script(name) {
    return new Promise((resolve, reject) => {
      const element = document.createElement('script');
      element.src = `${root}/assets/${name}.js`;
      element.onload = resolve;
      element.onerror = () => reject(new Error(`${name}.js cannot be loaded`));
      document.head.append(element);
    });
  }

  async function show() {
    const text = input.value.trim();
    const search = await load();
    // Another letter was typed in the meantime.
    if (text !== input.value.trim()) return;
    const found = text === '' ? [] : search.search(text).slice(0, 12);
    results.replaceChildren(...found.map(item));
    if (text !== '' && found.length === 0)
      results.append(Object.assign(document.createElement('li'), { textContent: 'Nothing found' }));
    results.hidden = text === '';
  }

  function item({ path, title, page }) {
    const link = document.createElement('a');
    link.href = `${root}/${path}`;
    link.textContent = title === page ? title : `${page}: ${title}`;
    const element = document.createElement('li');
    element.append(link);
    return element;
  }
})();
