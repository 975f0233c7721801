// Which view is shown, by the part of the address behind `#`; and what all views share: whether the server is there.

import { fill, h, put } from './dom.js';
import { link, renew } from './net.js';

/** @typedef {{leave: () => void}} View */

/** @type {Record<string, (root: HTMLElement, words: string[]) => Promise<View>>} */
const VIEWS = {
  overview: async (root) => (await part(import('./overview.js'))).show(root),
  sessions: async (root, words) => (await part(import('./sessions.js'))).show(root, words),
  map: async (root, words) => (await part(import('./rescue.js'))).show(root, words, { maps: 1, address: (to) => address('map', to) }),
  compare: async (root, words) => (await part(import('./rescue.js'))).show(root, words, { maps: 2, address: (to) => address('compare', to) }),
};

const root = /** @type {HTMLElement} */ (document.getElementById('view'));
/** @type {View|undefined} */
let view;
let shown = '';
/** A part of the page has not come: the server was gone in that moment. */
let isIncomplete = false;

/**
 * A part of the page that is fetched when it is first shown. A browser may remember that it could not be had, so all is loaded anew when the server is back.
 * @template T @param {Promise<T>} fetched @returns {Promise<T>}
 */
function part(fetched) {
  return fetched.catch(() => {
    isIncomplete = true;
    fill(root, h('p', { class: 'status', role: 'status' }, 'The server was gone before all of the page had come; it is loaded again when it is back.'));
    return new Promise(() => {});
  });
}

/** The address of what is shown, without going there anew. @param {string} name @param {Array<string|number>} words */
function address(name, words) {
  const hash = `#${[name, ...words].join('/')}`;
  if (location.hash === hash) return;
  history.replaceState(null, '', hash);
  shown = hash;
}

async function go() {
  const hash = location.hash || '#overview';
  if (hash === shown) return;
  shown = hash;
  let [name, ...words] = hash.slice(1).split('/');
  // `#provider/time/id` is a place on the map.
  if (/^\d+$/.test(name)) [name, words] = ['map', [name, ...words]];
  const open = VIEWS[name] ?? VIEWS.overview;
  view?.leave();
  view = undefined;
  fill(root);
  root.dataset.view = name;
  for (const one of document.querySelectorAll('nav a')) {
    if (one.getAttribute('href') === `#${name}`) one.setAttribute('aria-current', 'page');
    else one.removeAttribute('aria-current');
  }
  document.title = `${name} · instep`;
  const opened = await open(root, words);
  // Another one may have been chosen meanwhile.
  if (shown === hash || location.hash === shown) view = opened;
  else opened.leave();
}

const state = /** @type {HTMLElement} */ (document.getElementById('link'));
link.addEventListener('state', () => {
  put(state, link.state === 'lost' ? 'connection lost; trying again' : link.state);
  state.className = link.state;
});
link.addEventListener('hello', (event) => {
  if (isIncomplete) location.reload();
  const { full_name: name } = /** @type {CustomEvent} */ (event).detail;
  if (name) put(/** @type {HTMLElement} */ (document.getElementById('name')), name.replace(/\.COORDINATOR$/, ''));
  void renew();
});
window.addEventListener('error', (event) => fill(root, h('p', { class: 'error', role: 'alert' }, `This page has a fault: ${event.message}`)));
window.addEventListener('hashchange', () => void go());
// A page that is left takes its connections with it, though the browser may keep it to come back to.
window.addEventListener('pagehide', () => {
  view?.leave();
  view = undefined;
  link.pause();
});
window.addEventListener('pageshow', (event) => {
  if (event.persisted) location.reload();
});
link.open();
void go();
