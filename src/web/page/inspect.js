// One entity: every property as it is and as it was, what it did, what it has seen and heard.

import { FIRE_WORDS } from './colours.js';
import { button, fill, h } from './dom.js';
import { HUMANS } from './world.js';

/** @typedef {import('./feed.js').Feed} Feed */

/** Values of the past that are listed of a property. */
const PAST_MAX = 60;
/** Milliseconds that reading the past may take before others have their turn. */
const PIECE_MS = 8;
/** What is not a property. */
const NONE = new Set(['id', 'type', 'created', 'deleted', 'edges', 'neighbours']);

export class Inspector {
  /** @param {{choose: (id: number|undefined) => void, follow: (id: number) => void, seek: (time: number) => void}} acts */
  constructor(acts) {
    this.acts = acts;
    this.element = h('section', { class: 'inspector', 'aria-label': 'Chosen entity' });
    this.shown = '';
    /** What is known of the past of whom. @type {{feed: Feed|undefined, id: number, values: Map<string, Array<[number, any]>>, acts: Array<[number, any]>, read: Set<number>}} */
    this.past = { feed: undefined, id: -1, values: new Map(), acts: [], read: new Set() };
    this.reading = false;
    /** @type {Set<string>} */
    this.open = new Set();
  }

  /**
   * @param {Feed|undefined} feed @param {number|undefined} id @param {number} time
   * @param {import('./world.js').World|undefined} world @param {number|undefined} followed
   */
  show(feed, id, time, world, followed) {
    if (feed === undefined || id === undefined || world === undefined) {
      if (this.shown !== 'none') fill(this.element, h('p', { class: 'hint' }, 'Choose somebody or something on the map, or search an id.'));
      this.shown = 'none';
      return;
    }
    if (this.past.feed !== feed || this.past.id !== id) {
      this.past = { feed, id, values: new Map(), acts: [], read: new Set() };
      this.open.clear();
    }
    void this.read(feed);
    const key = [id, time, followed, this.past.read.size, [...this.open].join(), feed.perceived.has(time), feed.perceived.has(time + 1)].join('/');
    if (key === this.shown) return;
    this.shown = key;
    const entity = world.get(id);
    const area = feed.map?.entities.find((/** @type {any} */ one) => one.id === id);
    const type = entity?.type ?? area?.type ?? 'unknown';
    const rows = Object.entries({ ...(area && { x: area.x, y: area.y, neighbours: area.neighbours }), ...entity })
      .filter(([name]) => !NONE.has(name) || name === 'neighbours');
    fill(this.element,
      h('h3', {}, `${type} ${id}`),
      h('p', { class: 'row' },
        HUMANS.has(type) && button(followed === id ? 'following' : 'follow', () => this.acts.follow(id), { class: followed === id ? 'on' : '', 'aria-pressed': String(followed === id) }),
        button('close', () => this.acts.choose(undefined))),
      !entity && h('p', { class: 'hint' }, area ? '' : `not there at ${time}`),
      h('table', { class: 'plain' }, h('tbody', {}, rows.map(([name, value]) => this.row(name, value, time)))),
      this.doings(feed, time), this.senses(feed, time, id, type));
  }

  /** @param {string} name @param {any} value @param {number} time */
  row(name, value, time) {
    const past = this.past.values.get(name) ?? [];
    const list = this.open.has(name) && past.slice(-PAST_MAX).reverse().map(([at, was]) =>
      h('div', {}, button(String(at), () => this.acts.seek(at), { class: at === time ? 'on time' : 'time' }), ' ', this.value(name, was)));
    const toggle = () => {
      if (!this.open.delete(name)) this.open.add(name);
      this.shown = '';
    };
    return h('tr', {}, h('th', { scope: 'row' }, name), h('td', {}, this.value(name, value), list || null),
      h('td', {}, past.length > 0 && button(String(past.length), toggle, { title: 'how it was', 'aria-expanded': String(this.open.has(name)), 'aria-label': `${past.length} values of ${name} over time` })));
  }

  /** @param {string} name @param {any} value @returns {any} */
  value(name, value) {
    if (value === null || value === undefined) return 'undefined';
    if (name === 'fiery') return `${value} (${FIRE_WORDS[value] ?? '?'})`;
    if (name === 'position' || name === 'board' || name === 'target') return this.link(value);
    if (name === 'blockades' || name === 'neighbours' || name === 'path') return value.slice(0, 30).flatMap((/** @type {number} */ id) => [this.link(id), ' ']);
    if (Array.isArray(value)) return `${value.length} points`;
    return String(value);
  }

  /** @param {number} id */
  link(id) {
    return button(String(id), () => this.acts.choose(id), { class: 'link' });
  }

  /** @param {Feed} feed @param {number} time */
  doings(feed, time) {
    const acts = this.past.acts.filter(([at]) => at <= time).slice(-12).reverse();
    return acts.length > 0 && [h('h4', {}, 'Commands'), h('ol', { class: 'acts' }, acts.map(([at, action]) =>
      h('li', { class: at === time ? 'now' : '' }, button(String(at), () => this.acts.seek(at), { class: 'time' }), ` ${action.type} `,
        ...Object.entries(action).filter(([name]) => name !== 'id' && name !== 'type')
          .flatMap(([name, value]) => [`${name} `, this.value(name, value), ' ']), at === time && action.messageSize !== undefined && this.hearers(feed, at, action))))];
  }

  /** Who has heard it. @param {Feed} feed @param {number} time @param {any} action */
  hearers(feed, time, action) {
    const ids = feed.hearers(time, action);
    return ids && [`heard by ${ids.length}: `, ids.slice(0, 20).flatMap((id) => [this.link(id), ' '])];
  }

  /** @param {Feed} feed @param {number} time @param {number} id @param {string} type */
  senses(feed, time, id, type) {
    const perceived = feed.perceived.get(time)?.[String(id)];
    if (!perceived) return HUMANS.has(type) && feed.isLog && h('p', { class: 'hint' }, 'Layers, perception: what it saw and heard.');
    const heard = perceived.heard.slice(0, 20).map((/** @type {any} */ one) => ({ ...feed.said(one), time: one.time }));
    return [h('h4', {}, 'Perception'), h('p', {}, `saw ${perceived.updated.length} changed, ${perceived.deleted.length} gone; heard ${perceived.heard.length}`),
      h('ul', {}, heard.map((/** @type {any} */ one) =>
        h('li', {}, `${one.type} `, one.channel !== undefined && `channel ${one.channel} `, 'of ', this.link(one.id), one.time !== undefined && ` at ${one.time}`,
          one.message !== undefined && `: ${one.message}`, one.messageHex !== undefined && `: ${one.messageHex}`)))];
  }

  /** Reads what has come and was not read yet, a piece at a time. @param {Feed} feed */
  async read(feed) {
    if (this.reading) return;
    this.reading = true;
    const { past } = this;
    let began = performance.now();
    const times = [...feed.track.frames.keys(), ...feed.track.alone.keys()].filter((time) => !past.read.has(time)).sort((a, b) => a - b);
    for (const time of times) {
      if (this.past !== past || feed.closed) break;
      const record = feed.track.record(time);
      past.read.add(time);
      const change = record?.changes?.find((/** @type {any} */ one) => one.id === past.id);
      for (const [name, value] of Object.entries(change ?? {})) {
        if (NONE.has(name)) continue;
        const values = past.values.get(name) ?? [];
        insert(values, time, value);
        past.values.set(name, values);
      }
      for (const action of record?.commands ?? []) if (action.id === past.id) insert(past.acts, time, action);
      if (performance.now() - began > PIECE_MS) {
        await new Promise((resolve) => setTimeout(resolve));
        began = performance.now();
      }
    }
    this.reading = false;
  }
}

/** Puts it in its place by time. @param {Array<[number, any]>} list @param {number} time @param {any} value */
function insert(list, time, value) {
  let at = list.length;
  while (at > 0 && list[at - 1][0] > time) at -= 1;
  list.splice(at, 0, [time, value]);
}
