// Published data and log messages: who publishes, who subscribes to what, and who goes without.

import { fill, h, put } from './dom.js';
import { bytes, count, rate, span } from './format.js';
import { List } from './list.js';
import { Refused, rpc } from './net.js';
import { Spark } from './spark.js';

/** Numbers of a second, over both channels. @type {Array<[string, (counters: Record<string, number>) => number]>} */
const RATES = [
  ['published /s', (all) => all.published ?? 0],
  ['copies /s', (all) => all.published_copies ?? 0],
  ['drops /s', (all) => all.published_drops ?? 0],
];
/** The channels, and the names under which they are asked. @type {Record<string, string>} */
const NAMES = { data: 'DATA_COORDINATOR', log: 'LOG_COORDINATOR' };
/** Nobody has that name here. */
const UNKNOWN = -32093;

/** @param {string} topic */
const topicOf = (topic) => (topic === '' ? '(all)' : topic);

/** The topics of a subscriber; there may be more than were told. @param {any} row */
function topicsOf({ topics, topics_in_all: all }) {
  return topics.map(topicOf).join(' ') + (all > topics.length ? ` … ${all} in all` : '');
}

/** A card that tells of one of the channels. */
export class ChannelCard {
  constructor() {
    const right = { right: true };
    this.sparks = RATES.map(([label]) => new Spark(label, rate));
    this.picker = h('select', { 'aria-label': 'channel', onchange: () => { this.rows = new Map(); } }, Object.keys(NAMES).map((name) => h('option', { value: name }, name)));
    this.facts = h('dl', { class: 'facts' });
    this.words = h('p', { class: 'hint' });
    this.publishers = new List('Publishers', [
      { title: 'publisher', width: 'minmax(9em,1.3fr)', value: (row) => row.address }, { title: 'user', width: '6em', value: (row) => row.user || '–' }, { title: 'last topic', width: 'minmax(9em,2fr)', value: (row) => topicOf(row.topic) },
      { title: '/s', width: '5em', ...right, value: (row) => row.per ?? -1, text: (row) => rate(row.per) }, { title: 'B /s', width: '6em', ...right, value: (row) => row.bytesPer ?? -1, text: (row) => bytes(row.bytesPer) },
      { title: 'messages', width: '6em', ...right, value: (row) => row.messages, text: (row) => count(row.messages) }, { title: 'age', width: '4.5em', ...right, value: (row) => row.age_s, text: (row) => span(row.age_s) },
    ], { by: 3, down: true, empty: 'nobody publishes' });
    this.subscribers = new List('Subscribers', [
      { title: 'subscriber', width: 'minmax(9em,1.3fr)', value: (row) => row.address }, { title: 'user', width: '6em', value: (row) => row.user || '–' }, { title: 'topics', width: 'minmax(9em,2fr)', value: topicsOf },
      { title: '/s', width: '5em', ...right, value: (row) => row.per ?? -1, text: (row) => rate(row.per) }, { title: 'waiting', width: '6em', ...right, value: (row) => row.waiting_bytes, text: (row) => bytes(row.waiting_bytes) },
      { title: 'drops', width: '5em', ...right, value: (row) => row.drops, text: (row) => count(row.drops) }, { title: 'drops /s', width: '5em', ...right, value: (row) => row.dropsPer ?? -1, text: (row) => rate(row.dropsPer) },
    ], { by: 5, down: true, empty: 'nobody has subscribed' });
    this.topics = new List('Topics', [
      { title: 'topic', width: '1fr', value: (row) => topicOf(row.topic) }, { title: '/s', width: '5em', ...right, value: (row) => row.per ?? -1, text: (row) => rate(row.per) }, { title: 'B /s', width: '6em', ...right, value: (row) => row.bytesPer ?? -1, text: (row) => bytes(row.bytesPer) },
      { title: 'messages', width: '6em', ...right, value: (row) => row.messages, text: (row) => count(row.messages) }, { title: 'subscribers', width: '7em', ...right, value: (row) => row.subscribers }, { title: 'nodes', width: '5em', ...right, value: (row) => row.nodes },
    ], { by: 1, down: true, empty: 'none is wanted' });
    this.gatherers = new List('Gatherers of other nodes', [
      { title: 'other node', width: '1fr', value: (row) => row.address }, { title: 'state', width: '8em', value: (row) => (row.connected ? 'connected' : 'not reached') },
    ], { empty: 'none' });
    this.lists = h('div', { class: 'channel' }, this.publishers.element, this.subscribers.element, this.topics.element, this.gatherers.element);
    this.element = h('section', { class: 'card wide', 'aria-label': 'Channels' },
      h('div', { class: 'row' }, h('h2', {}, 'Published'), this.picker), this.facts, h('div', { class: 'sparks' }, this.sparks.map((spark) => spark.element)), this.words, this.lists);
    /** What was told of each connection and topic the last time. @type {Map<string, any>} */
    this.rows = new Map();
    this.at = 0;
  }

  /** What has gone by since then. @param {Record<string, number>} counters @param {Record<string, number>} before @param {number} seconds */
  rates(counters, before, seconds) {
    RATES.forEach(([, value], n) => this.sparks[n].add(Math.max(0, (value(counters) - value(before)) / seconds)));
  }

  async refresh() {
    const channel = this.picker.value;
    let told;
    try {
      told = await rpc('send_traffic', undefined, NAMES[channel]);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      put(this.words, error.code === UNKNOWN ? `The ${channel} channel is off.` : error.message);
      this.lists.hidden = true;
      fill(this.facts);
      return;
    }
    if (channel !== this.picker.value) return;
    this.lists.hidden = false;
    const [now, rows] = [performance.now(), new Map()];
    const seconds = (now - this.at) / 1000;
    const rated = (/** @type {string} */ side, /** @type {any} */ row) => {
      const key = `${side} ${row.address ?? row.topic}`;
      const before = this.rows.get(key);
      rows.set(key, row);
      const per = (/** @type {string} */ what) => (before && row[what] !== undefined ? Math.max(0, (row[what] - before[what]) / seconds) : undefined);
      return { ...row, per: per('messages'), bytesPer: per('bytes'), dropsPer: per('drops') };
    };
    this.publishers.set(told.publishers.map((/** @type {any} */ row) => rated('in', row)));
    this.subscribers.set(told.subscribers.map((/** @type {any} */ row) => rated('out', row)));
    this.topics.set(told.topics.map((/** @type {any} */ row) => rated('topic', row)));
    this.gatherers.set(told.gatherers);
    this.gatherers.element.hidden = told.gatherers.length === 0;
    [this.rows, this.at] = [rows, now];
    const drops = told.subscribers.reduce((/** @type {number} */ sum, /** @type {any} */ row) => sum + row.drops, 0);
    /** @type {Array<[string, string]>} */
    const facts = [['publishers', count(told.publishers_in_all)], ['subscribers', count(told.subscribers_in_all)], ['topics', count(told.topics_in_all)],
      ['subscriptions', count(told.subscriptions)], ['links of other nodes', count(told.nodes_in_all)], ['drops of those who are here', count(drops)]];
    if (told.last_values !== undefined) facts.push(['last values', `${count(told.last_values)}, ${bytes(told.last_values_bytes)}`]);
    fill(this.facts, facts.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))));
    const shown = [['publishers', told.publishers], ['subscribers', told.subscribers], ['topics', told.topics]].filter(([key, list]) => told[`${key}_in_all`] > list.length);
    put(this.words, shown.map(([key, list]) => `${list.length} of ${told[`${key}_in_all`]} ${key} are shown`).join(' · '));
  }
}
