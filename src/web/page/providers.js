// Where data comes from: the list of providers, and what is done with them.

import { ask, attempt, button, h, note } from './dom.js';
import { bytes, span } from './format.js';
import { link, poll, rpc } from './net.js';

/** @typedef {{id: number, type: string, ids: string, status: string, time: number, maxtime: number, age_ms: number|null, message?: string}} Provider */

/** Dispatches `change` when the list is another one. */
class Providers extends EventTarget {
  constructor() {
    super();
    /** @type {Provider[]} */
    this.list = [];
    /** @type {any[]} */
    this.sessions = [];
    this.users = 0;
    this.loaded = false;
    /** @type {(() => void)|undefined} */
    this.end = undefined;
  }

  /** Somebody looks at the list; the answer ends that. */
  use() {
    this.users += 1;
    this.end ??= poll(() => this.refresh(), 1000);
    const told = () => void this.refresh().catch(() => {});
    for (const kind of ['providers', 'sessions']) link.addEventListener(kind, told);
    return () => {
      for (const kind of ['providers', 'sessions']) link.removeEventListener(kind, told);
      this.users -= 1;
      if (this.users > 0) return;
      this.end?.();
      this.end = undefined;
    };
  }

  async refresh() {
    const [{ providerinfo }, sessions] = await Promise.all([rpc('providers'), rpc('send_sessions')]);
    this.list = providerinfo;
    this.sessions = sessions;
    this.loaded = true;
    this.dispatchEvent(new Event('change'));
  }

  /** @param {number} id */
  get(id) {
    return this.list.find((provider) => provider.id === id);
  }

  /** The session that a provider is in. @param {number} id @returns {any} */
  sessionOf(id) {
    return this.sessions.find((session) => session.provider === id);
  }
}

export const providers = new Providers();

/** A provider in words. @param {Provider} provider */
export function inWords({ id, type, ids, status, time, maxtime, age_ms: age, message }) {
  const last = age === null || age === undefined ? '' : `, last step ${span(age / 1000)} ago`;
  return `${id}: ${ids} (${type}, ${status}, ${time}${maxtime > 0 ? ` of ${maxtime}` : ''}${last}${message ? `, ${message}` : ''})`;
}

/** Asks which log or kernel is to be opened, and opens it. The answer is its id. @returns {Promise<number|undefined>} */
export async function openProvider() {
  const logs = await attempt(() => rpc('logs'));
  /** @type {Array<{name: string, bytes: number}>} */
  const list = logs?.logs ?? [];
  const choice = h('select', { name: 'log', size: Math.min(10, Math.max(2, list.length)), 'aria-label': 'log' },
    list.map((log, n) => h('option', { value: log.name, selected: n === 0 }, `${log.name} (${bytes(log.bytes)})`)));
  const wish = await ask('Open a provider', [
    h('fieldset', {}, h('legend', {}, 'A log below log_dir'), list.length > 0 ? choice : h('p', { class: 'hint' }, 'There are none: start the server with --log-dir DIR.'), logs?.more && h('p', { class: 'hint' }, 'There are more than are listed.')),
    h('fieldset', {}, h('legend', {}, 'or a running kernel'), h('label', {}, 'host ', h('input', { name: 'host', placeholder: '127.0.0.1' })), ' ',
      h('label', {}, 'port ', h('input', { name: 'port', type: 'number', min: 1, max: 65535, placeholder: '27931' })), ' ',
      h('label', {}, h('input', { name: 'keep', type: 'checkbox' }), ' wait for it, and for each next run')),
  ], 'Open', (form) => {
    const data = new FormData(form);
    const port = Number(data.get('port'));
    if (port > 0) return { address: { host: String(data.get('host') || '127.0.0.1'), port }, keep: data.get('keep') !== null };
    return data.get('log') ? { logfilename: String(data.get('log')) } : undefined;
  });
  if (wish === undefined) return undefined;
  const opened = await attempt(() => rpc('open_provider', wish));
  if (opened === undefined) return undefined;
  await providers.refresh();
  const id = opened.provider ?? opened.providerinfo?.[0]?.id;
  note(`provider ${id} is open`);
  return id;
}

/** Buttons for one provider. @param {() => number|undefined} chosen @param {(id: number|undefined) => void} choose */
export function providerButtons(chosen, choose) {
  return [
    button('open…', async () => {
      const id = await openProvider();
      if (id !== undefined) choose(id);
    }),
    button('refresh', async () => {
      const id = chosen();
      if (id !== undefined) await rpc('refresh_provider', { provider: [id] });
    }, { title: 'connect to the kernel anew' }),
    button('close', async () => {
      const id = chosen();
      if (id === undefined) return;
      await rpc('close_provider', { provider: [id] });
      choose(undefined);
      await providers.refresh();
    }, { title: 'close the provider' }),
  ];
}
