// Who one is to the server: a token, which is kept in this tab until that is closed and nowhere else.

import { ask, h } from './dom.js';

const KEY = 'token';

/** @type {Promise<boolean>|undefined} */
let asking;
/** Nobody is asked again so soon who has given no token. */
let patience = 0;

const token = () => sessionStorage.getItem(KEY) ?? '';

/** Asks for a token; whether there is another one now. @param {string} why @returns {Promise<boolean>} */
function login(why) {
  if (Date.now() < patience) return Promise.resolve(false);
  asking ??= (async () => {
    const field = h('input', { type: 'password', name: 'token', autocomplete: 'off', size: 50, required: true });
    const given = await ask('Who are you?', [h('p', {}, why), h('label', {}, 'Token ', field)], 'Go on', () => field.value.trim());
    if (given) sessionStorage.setItem(KEY, given);
    else patience = Date.now() + 60_000;
    return Boolean(given);
  })().finally(() => {
    asking = undefined;
  });
  return asking;
}

/**
 * As `fetch`, as the user of the token. Who has none, or a wrong one, is asked for it.
 * @param {URL} place
 * @param {RequestInit} [more]
 * @returns {Promise<Response>}
 */
export async function fetchAs(place, more = {}) {
  for (;;) {
    const shown = token();
    const headers = { ...more.headers, ...(shown ? { Authorization: `Bearer ${shown}` } : {}) };
    // Without `omit` the browser would ask by itself, and keep what it is told.
    const response = await fetch(place, { ...more, headers, credentials: 'omit' });
    // Whom the server knows, and who may not do this, is not asked who he is.
    if (response.status !== 401 || response.headers.get('WWW-Authenticate')?.includes('insufficient_scope')) return response;
    const why = (await response.clone().text()).slice(0, 200);
    if (token() === shown && !(await login(shown ? `That token is not taken: ${why}` : why))) return response;
  }
}

/** Opens a WebSocket as the user of the token, which has no other place there. @param {URL} place */
export function socketAs(place) {
  const shown = token();
  return shown ? new WebSocket(place, ['instep', `instep.token.${shown}`]) : new WebSocket(place);
}

/**
 * Server-sent events, read as the user of the token.
 * @param {URL} place
 * @param {{opened: () => void, heard: (kind: string, data: string, id: string) => void, ended: () => void}} on
 * @returns {{close: () => void}}
 */
export function eventsAs(place, { opened, heard, ended }) {
  const end = new AbortController();
  void (async () => {
    try {
      const response = await fetchAs(place, { cache: 'no-store', signal: end.signal, headers: { Accept: 'text/event-stream' } });
      if (!response.ok || !response.body) throw new Error(response.statusText);
      opened();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = '';
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        const blocks = (rest + value).split('\n\n');
        rest = blocks.pop() ?? '';
        for (const block of blocks) {
          const { event, data, id } = fields(block);
          if (data) heard(event, data, id);
        }
      }
    } catch {
      // It ends as any other does.
    }
    if (!end.signal.aborted) ended();
  })();
  return { close: () => end.abort() };
}

/** The fields of one event. @param {string} block */
export function fields(block) {
  const found = { event: 'message', data: '', id: '' };
  for (const line of block.split('\n')) {
    const [, name, value] = /^(event|data|id): ?(.*)$/.exec(line) ?? [];
    if (name === 'data') found.data += found.data ? `\n${value}` : value;
    else if (name === 'event' || name === 'id') found[name] = value;
  }
  return found;
}
