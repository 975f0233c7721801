// What the page asks the server, and what it is told: JSON-RPC, the stream of events, and whether the server is there.

import { eventsAs, fetchAs } from './access.js';

/** Where the server is: this file lies in `page/` below it. */
export const root = new URL('..', import.meta.url);

/** An answer that is an error. */
export class Refused extends Error {
  /** @param {{code: number, message: string, data?: any}} error */
  constructor({ code, message, data }) {
    const more = data === undefined || data === null ? '' : typeof data === 'string' ? data : data.reason ? `${data.reason}` : JSON.stringify(data);
    super(more ? `${message}: ${more}` : message);
    this.code = code;
    this.data = data;
  }
}

let calls = 0;

/**
 * Asks the Coordinator, or who has that name.
 * @param {string} method
 * @param {any} [params]
 * @param {string} [name]
 * @returns {Promise<any>}
 */
export async function rpc(method, params, name) {
  const place = new URL(name === undefined ? 'rpc' : `rpc/${encodeURIComponent(name)}`, root);
  calls += 1;
  const body = JSON.stringify({ jsonrpc: '2.0', id: calls, method, ...(params === undefined ? {} : { params }) });
  let response;
  try {
    response = await fetchAs(place, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
  } catch {
    link.lost();
    throw new Error('the server does not answer');
  }
  link.heard();
  const type = response.headers.get('Content-Type') ?? '';
  if (!type.includes('json')) throw new Error(`${response.status} ${(await response.text()).slice(0, 200) || response.statusText}`);
  const answer = await response.json();
  if (answer.error) throw new Refused(answer.error);
  return answer.result;
}

/** What time it is by the server's clock, in milliseconds since 1970. @returns {Promise<number>} */
export async function serverTime() {
  return (await (await fetch(new URL('health', root), { cache: 'no-store' })).json()).timestamp;
}

/** The name of a session, as the Coordinator's node knows it. @param {string} session */
export function sessionName(session) {
  return `session:${session.replace(/[%.]/g, (letter) => (letter === '.' ? '%2E' : '%25'))}`;
}

/** The kinds of events. */
export const KINDS = ['hello', 'directory', 'nodes', 'sessions', 'providers', 'errors'];
/** Events that are kept for views that are opened later. */
const KEPT_MAX = 500;

/**
 * The connection to the server. Dispatches `state` when it is lost or there again, and an event of each kind of `KINDS`, whose `detail` is
 * the data of the stream with `n`, its number, and `at`, when it came.
 */
class Link extends EventTarget {
  constructor() {
    super();
    /** @type {'connecting'|'connected'|'lost'} */
    this.state = 'connecting';
    /** @type {{close: () => void}|undefined} */
    this.source = undefined;
    this.last = '';
    this.wait = 500;
    /** @type {Array<{kind: string, at: number, n: number, [more: string]: any}>} */
    this.kept = [];
  }

  /** Listens. A page that nobody sees does not: a browser has few connections for one server, and other pages need them. */
  open() {
    if (document.hidden || this.source) return;
    const place = new URL('events', root);
    place.searchParams.set('since', this.last || '0');
    const source = eventsAs(place, {
      opened: () => this.heard(),
      heard: (kind, data, id) => KINDS.includes(kind) && this.take(kind, data, id),
      ended: () => {
        if (this.source !== source) return;
        this.source = undefined;
        void this.seek();
      },
    });
    this.source = source;
  }

  /** @param {string} kind @param {string} data @param {string} id */
  take(kind, data, id) {
    this.heard();
    if (id) this.last = id;
    const detail = { ...JSON.parse(data), kind, at: Date.now(), n: Number(this.last) };
    if (kind !== 'hello') {
      this.kept.push(detail);
      if (this.kept.length > KEPT_MAX) this.kept.shift();
    }
    this.dispatchEvent(new CustomEvent(kind, { detail }));
  }

  /** The stream has ended: whether the server is there is asked, until it is. */
  async seek() {
    try {
      const answer = await fetch(new URL('page/version', root), { cache: 'no-store' });
      if (!answer.ok) throw new Error(answer.statusText);
      this.heard();
      this.last = '';
      setTimeout(() => this.open(), 1000);
    } catch {
      this.lost();
      setTimeout(() => void this.seek(), this.wait);
      this.wait = Math.min(5000, this.wait * 1.5);
    }
  }

  pause() {
    this.source?.close();
    this.source = undefined;
  }

  heard() {
    this.wait = 500;
    this.become('connected');
  }

  lost() {
    this.become('lost');
  }

  /** @param {'connected'|'lost'} state */
  become(state) {
    if (this.state === state) return;
    this.state = state;
    this.dispatchEvent(new Event('state'));
  }
}

export const link = new Link();
document.addEventListener('visibilitychange', () => (document.hidden ? link.pause() : link.open()));

/** The version of this page. */
const own = document.querySelector('meta[name=version]')?.getAttribute('content') ?? '';

/** Loads the page anew if the server has another one; once for each version, should a cache in between be stubborn. */
export async function renew() {
  try {
    const answer = await fetch(new URL('page/version', root), { cache: 'no-store' });
    const version = answer.ok ? (await answer.text()).trim() : own;
    if (version !== own && sessionStorage.getItem('renewed') !== version) {
      sessionStorage.setItem('renewed', version);
      location.reload();
    }
  } catch {
    // It is asked again when the server is back.
  }
}

/**
 * Does something now and again while the page is seen, never twice at a time. The answer ends it.
 * @param {() => Promise<any>} what
 * @param {number} ms
 */
export function poll(what, ms) {
  let ended = false;
  /** @type {number|undefined} */
  let timer;
  const again = async () => {
    if (!document.hidden && link.state !== 'lost') {
      try {
        await what();
      } catch (error) {
        if (!(error instanceof Refused)) console.debug(String(error));
      }
    }
    if (!ended) timer = setTimeout(again, ms);
  };
  void again();
  return () => {
    ended = true;
    clearTimeout(timer);
  };
}
