// @ts-check
/**
 * Makes pages live; each works without it. A page that names what it follows is read again after such a change, and what
 * differs in its live sections is put in place node by node, so that focus, selection and scroll stay. The server's HTML is
 * parsed by XMLHttpRequest, since a page with trusted types has no other parser.
 */

/** ms between two reads of a page. */
const pace = 3000;

const main = /** @type {HTMLElement} */ (document.querySelector('main'));
const button = /** @type {HTMLButtonElement | null} */ (document.querySelector('#live'));
const follows = main.dataset.follows;

if (button && follows) start(button, follows);

/**
 * @param {HTMLButtonElement} button
 * @param {string} follows
 */
function start(button, follows) {
  /** @type {EventSource | undefined} */
  let source;
  let isPaused = false;
  let isReading = false;
  let isStale = false;
  let lastRead = 0;

  button.hidden = false;
  button.addEventListener('click', () => {
    isPaused = !isPaused;
    connect();
  });
  // A browser has six connections to a host; a page that is not seen gives up its own.
  document.addEventListener('visibilitychange', connect);
  connect();

  function connect() {
    source?.close();
    source = undefined;
    if (isPaused || document.hidden) return say('paused');
    source = new EventSource(`/ui/changes?kinds=${encodeURIComponent(follows)}`);
    source.addEventListener('open', () => say('on'));
    source.addEventListener('error', () => say('lost'));
    source.addEventListener('change', changed);
  }

  /** @param {'on' | 'paused' | 'lost'} state */
  function say(state) {
    button.dataset.state = state;
    button.setAttribute('aria-pressed', String(isPaused));
    button.title = (isPaused ? button.dataset.resume : button.dataset.pause) ?? '';
    const label = button.querySelector('span');
    if (label) label.textContent = button.dataset[state] ?? '';
  }

  function changed() {
    isStale = true;
    if (isReading) return;
    isReading = true;
    setTimeout(read, Math.max(0, lastRead + pace - performance.now()));
  }

  function read() {
    isStale = false;
    lastRead = performance.now();
    const request = new XMLHttpRequest();
    // After an action that failed, the address is that of the action.
    const address = new URL(main.dataset.here ?? location.href, location.href);
    address.searchParams.set('part', 'main');
    request.open('GET', address);
    request.responseType = 'document';
    request.timeout = 20_000;
    request.addEventListener('load', () => {
      // The session is over: the sign-in has answered.
      if (new URL(request.responseURL).pathname !== address.pathname) location.reload();
      else if (request.status === 200 && request.responseXML && !isPaused) place(request.responseXML);
    });
    request.addEventListener('loadend', () => {
      isReading = false;
      if (isStale) changed();
    });
    request.send();
  }
}

/** @param {Document} page */
function place(page) {
  for (const section of page.querySelectorAll('[data-live][id]')) {
    const here = document.getElementById(section.id);
    if (here) become(here, section);
  }
}

/**
 * Makes `here` like `there`, and keeps the nodes that are alike.
 * @param {Element} here
 * @param {Element} there
 */
function become(here, there) {
  for (const { name } of [...here.attributes]) {
    // A person has opened or closed it.
    if (!there.hasAttribute(name) && name !== 'open') here.removeAttribute(name);
  }
  for (const { name, value } of there.attributes) {
    if (here.getAttribute(name) !== value && name !== 'open') here.setAttribute(name, value);
  }
  const before = [...here.childNodes];
  const keyed = new Map(before.flatMap((node) => (keyOf(node) ? [[keyOf(node), node]] : [])));
  const unkeyed = before.filter((node) => !keyOf(node));
  const after = [...there.childNodes].map((wanted) => {
    const key = keyOf(wanted);
    const known = key ? keyed.get(key) : unkeyed.shift();
    keyed.delete(key);
    if (!known || known.nodeName !== wanted.nodeName) return document.importNode(wanted, true);
    if (known instanceof Element && wanted instanceof Element) become(known, wanted);
    else if (known.nodeValue !== wanted.nodeValue) known.nodeValue = wanted.nodeValue;
    return known;
  });
  // A node that is taken out loses the focus, so those that stay are not moved.
  const stay = new Set(after);
  for (const node of before) if (!stay.has(node)) node.remove();
  after.forEach((node, at) => {
    if (here.childNodes[at] !== node) here.insertBefore(node, here.childNodes[at] ?? null);
  });
}

/**
 * Rows of tables bear a key, so that a row which moves stays the same row.
 * @param {Node} node
 */
function keyOf(node) {
  return node instanceof Element ? node.getAttribute('data-key') : null;
}
