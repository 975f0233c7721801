// One screen that says whether all is well: this node, other nodes, Components, providers, sessions, viewers, errors.

import { ChannelCard } from './channels.js';
import { fill, h, put } from './dom.js';
import { bytes, clock, count, rate, span } from './format.js';
import { List, filterOf } from './list.js';
import { Refused, link, poll, rpc } from './net.js';
import { Spark } from './spark.js';

/** Numbers of a second, over all that they are made of. @type {Array<[string, (counters: Record<string, number>) => number, (n: number|undefined) => string]>} */
const RATES = [
  ['messages in /s', (all) => all.messages_in ?? 0, rate],
  ['delivered /s', (all) => (all.messages_delivered ?? 0) + (all.messages_forwarded ?? 0), rate],
  ['refused /s', (all) => sum(all, 'refused_'), rate],
  ['dropped /s', (all) => (all.errors_dropped ?? 0) + (all.answers_dropped ?? 0) + (all.messages_malformed ?? 0), rate],
  ['bytes in /s', (all) => all.bytes_in ?? 0, bytes],
  ['bytes out /s', (all) => all.bytes_out ?? 0, bytes],
];

/** What an error asks for, by words in it. @type {Array<[RegExp, string]>} */
const CURES = [
  [/does not keep up|too slow/, 'the viewer or its line is slow: fewer sections, or a nearer viewer'],
  [/length header|not a map|undecodable|could not be read/, 'another program speaks to this port: look at the port that it was given'],
  [/memory/, 'give it more: --memory-max'],
  [/truncated|cut|ends early/, 'the log was cut, as its kernel was killed: what there is of it is shown'],
  [/refused|unreachable|timed out|no route/i, 'is the other program running, and may this machine reach it?'],
  [/disk|space|state/i, 'look at the disk of --state-dir or --record'],
];

/** @param {Record<string, number>} all @param {string} prefix */
function sum(all, prefix) {
  return Object.entries(all).reduce((whole, [name, value]) => (name.startsWith(prefix) ? whole + value : whole), 0);
}

/** What would help. @param {{at: number, text: string, cure?: string}} error */
function cureOf({ text, cure }) {
  return cure || (CURES.find(([words]) => words.test(text))?.[1] ?? '');
}

/** By what the server puts connections in order, for each column of the table. */
const ORDERS = ['key', 'key', 'key', 'age_s', 'heard_ms', 'messages_in', 'messages_out', 'bytes_in', 'bytes_out', 'waiting_bytes', 'held_ms', 'drops'];
/** Connections that are asked for at a time. */
const CONNECTIONS = 500;
/** The server tells of connections; one that does not is asked for the names of Components. */
let tellsConnections = true;

/**
 * The connections that have most of what the table is ordered by.
 * @param {number} column
 * @param {string} name
 * @returns {Promise<{total: number, connections: any[]}>}
 */
async function connectionsBy(column, name) {
  try {
    if (tellsConnections) return await rpc('send_connections', { by: ORDERS[column], most: CONNECTIONS, ...(name === '' ? {} : { name }) });
  } catch (error) {
    if (!(error instanceof Refused) || error.code !== -32601) throw error;
    tellsConnections = false;
  }
  const names = await rpc('send_local_components');
  return { total: names.length, connections: names.map((/** @type {string} */ one) => ({ name: one, key: one })) };
}

/** @param {HTMLElement} root */
export function show(root) {
  const sparks = RATES.map(([label, , words]) => new Spark(label, words));
  const facts = h('dl', { class: 'facts' });
  const right = { right: true };
  const nodes = new List('Nodes', [
    { title: 'namespace', width: '1fr', value: (row) => row.namespace }, { title: 'address', width: '1fr', value: (row) => row.address ?? '' },
    { title: 'link', width: '5em', value: (row) => row.state }, { title: 'since', width: '5em', ...right, value: (row) => row.since_s ?? 0, text: (row) => span(row.since_s) },
    { title: 'round trip', width: '6em', ...right, value: (row) => row.rtt_ms ?? -1, text: (row) => (row.rtt_ms === undefined || row.rtt_ms === null ? '–' : row.rtt_ms < 1 ? '< 1 ms' : `${row.rtt_ms} ms`) },
  ], { empty: 'no other node is known' });
  const components = new List('Connections and Components', [
    { title: 'name', width: 'minmax(9em,2fr)', value: (row) => row.name }, { title: 'speaks', width: '6em', value: (row) => row.dialect ?? '' },
    { title: 'address', width: 'minmax(9em,1.3fr)', value: (row) => row.address ?? '' },
    { title: 'age', width: '4.5em', ...right, value: (row) => row.age_s ?? -1, text: (row) => span(row.age_s) },
    { title: 'heard', width: '4.5em', ...right, value: (row) => row.heard_ms ?? -1, text: (row) => (row.heard_ms === undefined ? '–' : span(row.heard_ms / 1000)) },
    { title: 'in /s', width: '4.5em', ...right, value: (row) => row.in ?? -1, text: (row) => rate(row.in) },
    { title: 'out /s', width: '4.5em', ...right, value: (row) => row.out ?? -1, text: (row) => rate(row.out) },
    { title: 'B in /s', width: '6em', ...right, value: (row) => row.bytesIn ?? -1, text: (row) => bytes(row.bytesIn) },
    { title: 'B out /s', width: '6em', ...right, value: (row) => row.bytesOut ?? -1, text: (row) => bytes(row.bytesOut) },
    { title: 'waiting', width: '6em', ...right, value: (row) => row.waiting_bytes ?? -1, text: (row) => bytes(row.waiting_bytes) },
    { title: 'held', width: '5em', ...right, value: (row) => row.held_ms ?? -1, text: (row) => (row.held_ms === undefined ? '–' : `${row.held_ms} ms${row.held ? ' …' : ''}`) },
    { title: 'drops', width: '4em', ...right, value: (row) => row.drops ?? -1, text: (row) => count(row.drops) },
  ], { by: 9, down: true, tie: (row) => (row.isUnnamed ? `~${row.name}` : row.name), empty: 'nobody is signed in' });
  const providers = new List('Providers', [
    { title: 'id', width: '2.5em', ...right, value: (row) => row.id }, { title: 'source', width: '1fr', value: (row) => row.ids }, { title: 'type', width: '7em', value: (row) => row.type },
    { title: 'status', width: '5em', value: (row) => row.status }, { title: 'time', width: '5em', ...right, value: (row) => row.time, text: (row) => `${row.time}/${row.maxtime}` },
    { title: 'last', width: '4em', ...right, value: (row) => row.age_ms ?? -1, text: (row) => (row.age_ms === null ? '–' : span(row.age_ms / 1000)) }, { title: 'message', width: '1fr', value: (row) => row.message ?? '' },
  ], { click: (row) => { location.hash = `#map/${row.id}`; }, empty: 'no provider is open' });
  const sessions = new List('Sessions', [
    { title: 'name', width: '1fr', value: (row) => row.sessionName }, { title: 'state', width: '9em', value: (row) => row.state }, { title: 'n', width: '4em', ...right, value: (row) => row.seq },
    { title: 'members', width: '5em', ...right, value: (row) => row.members }, { title: 'away', width: '4em', ...right, value: (row) => row.away ?? 0 },
    { title: 'viewers', width: '5em', ...right, value: (row) => row.viewer?.length ?? 0 }, { title: 'provider', width: '5em', ...right, value: (row) => row.provider || 0, text: (row) => String(row.provider || '–') },
  ], { click: (row) => { location.hash = `#sessions/${encodeURIComponent(row.sessionName)}`; } });
  const viewers = new List('Viewers', [
    { title: 'id', width: '3em', ...right, value: (row) => row.id }, { title: 'address', width: '1fr', value: (row) => `${row.address.host}:${row.address.port}` }, { title: 'status', width: '6em', value: (row) => row.status },
  ], { down: true, empty: 'nobody looks on' });
  const errors = new List('Errors', [
    { title: 'time', width: '9em', value: (row) => row.at, text: (row) => clock(row.at).slice(0, 8) }, { title: 'what', width: 'minmax(10em,2fr)', value: (row) => row.text }, { title: 'cure', width: 'minmax(8em,1.5fr)', value: cureOf },
  ], { down: true, empty: 'none: all is well' });
  const channels = new ChannelCard();
  const more = h('p', { class: 'hint' });
  const filter = filterOf('filter Components', [components]);
  const card = (/** @type {string} */ title, /** @type {any[]} */ ...content) => h('section', { class: 'card', 'aria-label': title }, h('h2', {}, title), ...content);
  fill(root, h('div', { class: 'overview' },
    h('section', { class: 'card node', 'aria-label': 'This node' }, h('h2', {}, 'This node'), facts, h('div', { class: 'sparks' }, sparks.map((spark) => spark.element))),
    h('section', { class: 'card wide', 'aria-label': 'Components' }, h('div', { class: 'row' }, h('h2', {}, 'Who is slow'), filter), components.element, more),
    card('Nodes', nodes.element), card('Providers', providers.element), card('Sessions', sessions.element), card('Viewers', viewers.element), channels.element,
    h('section', { class: 'card wide', 'aria-label': 'Errors' }, h('h2', {}, 'The last errors'), errors.element)));

  /** @type {{at: number, counters: Record<string, number>, connections: Map<any, any>}|undefined} */
  let before;
  const second = async () => {
    const [counters, manager, links, connections, sessionList, providerList] = await Promise.all([
      rpc('send_counters'), rpc('manager'), rpc('send_links'), connectionsBy(components.by, components.filter), rpc('send_sessions'), rpc('providers')]);
    const now = performance.now();
    const seconds = before ? (now - before.at) / 1000 : 1;
    if (before) channels.rates(counters, before.counters, seconds);
    RATES.forEach(([, value], n) => before && sparks[n].add(Math.max(0, (value(counters) - value(before.counters)) / seconds)));
    const rows = connections.connections.map((row) => rated(row, before?.connections.get(row.key), seconds));
    components.set(rows);
    put(more, connections.total > rows.length ? `${rows.length} of ${connections.total}: those that have most of what the table is ordered by` : '');
    before = { at: now, counters, connections: new Map(rows.map((row) => [row.key, row])) };
    facts_(facts, counters, manager.manager);
    nodes.set(links.map((/** @type {any} */ row) => ({ ...row, namespace: row.namespace ?? row.name ?? '?' })));
    sessions.set(sessionList);
    providers.set(providerList.providerinfo);
  };
  const slower = async () => {
    const [{ viewerinfo }, list] = await Promise.all([rpc('viewers'), rpc('errors')]);
    viewers.set(viewerinfo);
    errors.set([...list.errors.map((/** @type {string} */ line) => ({ at: Date.parse(`${line.slice(0, 10)}T${line.slice(11, 19)}Z`), text: line.slice(24) })),
      ...link.kept.filter(({ kind }) => kind === 'errors')
        .filter(({ text }) => !list.errors.some((/** @type {string} */ line) => line.includes(text)))
        .map(({ at, text, cure }) => ({ at, text, cure }))]);
  };
  const ends = [poll(second, 1000), poll(() => channels.refresh(), 1000), poll(slower, 2000)];
  return { leave: () => ends.forEach((end) => end()) };
}

/** A connection with its rates. @param {any} row @param {any} before @param {number} seconds */
function rated(row, before, seconds) {
  const by = (/** @type {string} */ key) => (before && row[key] !== undefined ? Math.max(0, (row[key] - before[key]) / seconds) : undefined);
  return { ...row, name: row.name || `(${row.dialect ?? 'unnamed'})`, isUnnamed: !row.name, in: by('messages_in'), out: by('messages_out'), bytesIn: by('bytes_in'), bytesOut: by('bytes_out') };
}

/** @param {HTMLElement} place @param {Record<string, number>} counters @param {any} manager */
function facts_(place, counters, manager) {
  /** @type {Array<[string, string]>} */
  const facts = [
    ['version', manager.version.replace(/^.*\((.*)\)$/, '$1')], ['uptime', counters.uptime_s_now === undefined ? '' : span(counters.uptime_s_now)],
    ['memory', counters.memory_bytes_now === undefined ? '' : bytes(counters.memory_bytes_now)],
    ['held by data', bytes(counters.data_bytes_now)], ['waiting in rings', bytes(counters.ring_bytes_now)],
    ['connections', count(counters.connections_now)], ['Components', count(counters.components_now)], ['viewers', count(manager.viewers)],
    ['providers', count(manager.providers)], ['errors', count(manager.errors)]];
  fill(place, facts.filter(([, value]) => value !== '').map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))));
}
