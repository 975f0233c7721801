// One map on the screen: a provider's feed, its picture, and what a hand does with it.

import { colour, h, put } from './dom.js';
import { Feed } from './feed.js';
import { MapView } from './map.js';
import { inWords, providerButtons, providers } from './providers.js';
import { placeBetween } from './world.js';

/** Timesteps ahead of what is shown that are asked for while it plays. */
const AHEAD = 6;
/** How late a provider is chosen where nobody has: first those that no other map shows, and of them those that are there. @param {import('./providers.js').Provider} provider @param {Array<number|undefined>} taken */
const rank = ({ id, status }, taken) => (taken.includes(id) ? 2 : 0) + (status === 'online' ? 0 : 1);
/** @type {number[]} */
const NOBODY = [];

export class Pane {
  /**
   * @param {{provider: number|undefined, label: string, layers: Record<string, boolean>, chose: (pane: Pane, id: number|undefined) => void, changed: () => void,
   *   provided: (pane: Pane) => void, taken: () => Array<number|undefined>}} owner `provider` is the one to begin with, `taken` are those that other maps show
   */
  constructor(owner) {
    this.owner = owner;
    /** @type {Feed|undefined} */
    this.feed = undefined;
    /** @type {number|undefined} */
    this.provider = undefined;
    /** @type {number|undefined} */
    this.chosen = undefined;
    /** @type {number|undefined} */
    this.followed = undefined;
    this.canvas = h('canvas', { class: 'map', tabIndex: 0, role: 'img', 'aria-label': `${owner.label}: map. Arrows with shift pan, plus and minus zoom, 0 fits.` });
    this.view = new MapView(this.canvas);
    this.picker = h('select', { 'aria-label': `provider of ${owner.label}`, onchange: () => this.choose(this.picker.value === '' ? undefined : Number(this.picker.value)) });
    this.words = h('p', { class: 'words', role: 'status' });
    this.bar = h('div', { class: 'row' }, this.picker, ...providerButtons(() => this.provider, (id) => this.choose(id)));
    this.element = h('section', { class: 'pane', 'aria-label': owner.label }, this.bar, h('div', { class: 'field' }, this.canvas, this.words));
    /** @type {import('./map.js').Scene} */
    this.scene = { time: 0, part: 1, world: undefined, before: undefined, commands: [], chosen: undefined, seen: NOBODY, layers: owner.layers };
    this.listed = '';
    this.hands();
    this.listen = () => this.list();
    providers.addEventListener('change', this.listen);
    this.hadOne = owner.provider !== undefined;
    if (owner.provider === undefined) this.list();
    else this.choose(owner.provider);
  }

  close() {
    providers.removeEventListener('change', this.listen);
    this.feed?.close();
  }

  /** @param {number|undefined} provider */
  choose(provider) {
    if (provider === this.provider && this.feed) return;
    this.feed?.close();
    this.provider = provider;
    this.chosen = this.followed = undefined;
    this.feed = provider === undefined ? undefined : new Feed(provider);
    this.scene = { ...this.scene, world: undefined, before: undefined };
    this.view.dirty = true;
    const { feed } = this;
    feed?.addEventListener('map', () => {
      this.view.setMap(feed.map);
      this.view.base.stale = this.view.middle.stale = true;
    });
    feed?.addEventListener('start', () => {
      const world = feed.track.world(feed.live);
      if (world && feed.map?.entities.length === 0) this.view.setPeople(world);
      this.view.dirty = true;
    });
    feed?.addEventListener('state', () => this.say());
    this.list();
    this.owner.provided(this);
  }

  /** The list of providers. */
  list() {
    if (this.provider === undefined && providers.loaded && providers.list.length > 0 && !this.hadOne) {
      this.hadOne = true;
      const taken = this.owner.taken();
      const [best] = [...providers.list].sort((a, b) => rank(a, taken) - rank(b, taken));
      this.choose(best.id);
      return;
    }
    const key = JSON.stringify([this.provider, providers.list.map((one) => [one.id, one.status, one.message])]);
    const info = this.provider === undefined ? undefined : providers.get(this.provider);
    if (this.feed && info) {
      this.feed.kind = info.type;
      this.feed.timeMax = info.maxtime;
    }
    if (key !== this.listed && document.activeElement !== this.picker) {
      this.listed = key;
      this.picker.textContent = '';
      this.picker.append(h('option', { value: '', selected: this.provider === undefined }, providers.list.length > 0 ? 'no provider' : 'no provider is open'),
        ...providers.list.map((one) => h('option', { value: one.id, selected: one.id === this.provider }, `${one.id}: ${one.ids} (${one.status})`)));
    }
    this.picker.title = info ? inWords(info) : '';
    this.say();
  }

  /** How things are, in words. */
  say() {
    const { feed } = this;
    const info = this.provider === undefined ? undefined : providers.get(this.provider);
    const words = [];
    if (this.provider === undefined) words.push(providers.loaded ? 'No provider is shown. Open a log or a kernel.' : '');
    else if (info === undefined && providers.loaded) words.push('This provider is closed.');
    if (feed?.message) words.push(feed.message === 'the provider has sent nothing yet' ? 'waiting for the kernel' : feed.message);
    if (info?.message && !words.includes(info.message)) words.push(info.status === 'errored' ? `${info.ids}: ${info.message} (at ${info.time})` : info.message);
    if (feed && feed.lostSteps > 0) words.push(`this page did not keep up ${feed.lostSteps} times and has lost timesteps`);
    if (feed && feed.missing.size > 0) {
      const [time, why] = [...feed.missing][feed.missing.size - 1];
      words.push(`${time}: ${why}`);
    }
    put(this.words, words.filter((word) => word !== '').join(' · '));
  }

  /** What the clock is held to. @returns {import('./player.js').Edge} */
  get edge() {
    const { feed } = this;
    if (!feed) return { live: 0, stepMs: 1000, first: 0, last: 0, end: 0 };
    const first = feed.track.has(0) ? 0 : Math.min(1, feed.live);
    const end = Math.max(feed.timeMax, feed.live);
    return { live: feed.live, stepMs: feed.stepMs, first, last: feed.isLog ? end : feed.live, end };
  }

  /** Whether a timestep can be shown; if not, it is on its way. @param {number} time */
  can(time) {
    const { feed } = this;
    if (!feed || !feed.map) return true;
    return time > this.edge.last || feed.missing.has(time) || feed.world(time) !== undefined;
  }

  /** Timesteps that will be shown soon. @param {number} time */
  ahead(time) {
    const { feed } = this;
    if (!feed?.isLog) return;
    for (let at = time + 1; at <= Math.min(time + AHEAD, this.edge.last); at += 1) if (!feed.track.has(at) && at > feed.live) feed.ask(at, 12);
  }

  /** Draws a moment. @param {number} wanted @param {number} part */
  draw(wanted, part) {
    const { feed, scene } = this;
    const time = feed ? Math.min(wanted, Math.max(this.edge.last, 0)) : 0;
    const world = feed?.world(time) ?? scene.world;
    const moves = time === wanted ? part : 1;
    if (feed && world !== scene.world) {
      scene.world = world;
      scene.before = time > 0 ? feed.track.world(time - 1) : undefined;
      scene.commands = feed.commands(time);
      scene.time = time;
    }
    scene.part = scene.before ? moves : 1;
    scene.chosen = this.chosen;
    scene.seen = NOBODY;
    if (feed && this.owner.layers.perception && this.chosen !== undefined) scene.seen = feed.perception(scene.time, this.chosen)?.updated ?? NOBODY;
    this.view.background = colour('ground');
    if (this.followed !== undefined && world) {
      const entity = world.get(this.followed);
      const at = entity && placeBetween(scene.before, world, entity, scene.part);
      if (at) this.view.centre(at);
    }
    return this.view.draw(scene);
  }

  /** @param {number|undefined} id */
  pick(id) {
    this.chosen = id;
    if (this.followed !== id) this.followed = undefined;
    this.owner.chose(this, id);
  }

  /** Wheel, fingers and keys. */
  hands() {
    const { canvas, view } = this;
    /** @type {Map<number, {x: number, y: number}>} */
    const fingers = new Map();
    let moved = 0;
    const place = (/** @type {PointerEvent|WheelEvent} */ event) => {
      const box = canvas.getBoundingClientRect();
      return { x: event.clientX - box.left, y: event.clientY - box.top };
    };
    canvas.addEventListener('wheel', (/** @type {WheelEvent} */ event) => {
      event.preventDefault();
      const at = place(event);
      view.zoom(Math.exp(-event.deltaY * (event.deltaMode === 1 ? 0.05 : 0.0015)), at.x, at.y);
    }, { passive: false });
    canvas.addEventListener('pointerdown', (/** @type {PointerEvent} */ event) => {
      canvas.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, place(event));
      if (fingers.size === 1) moved = 0;
    });
    canvas.addEventListener('pointermove', (/** @type {PointerEvent} */ event) => {
      const before = fingers.get(event.pointerId);
      if (!before) return;
      const at = place(event);
      const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
      moved += Math.hypot(at.x - before.x, at.y - before.y);
      fingers.set(event.pointerId, at);
      if (moved < 4) return;
      this.followed = undefined;
      if (other) {
        view.zoom(Math.hypot(at.x - other.x, at.y - other.y) / Math.max(1, Math.hypot(before.x - other.x, before.y - other.y)), (at.x + other.x) / 2, (at.y + other.y) / 2);
        view.pan((at.x - before.x) / 2, (at.y - before.y) / 2);
      } else view.pan(at.x - before.x, at.y - before.y);
    });
    const up = (/** @type {PointerEvent} */ event) => {
      const at = place(event);
      if (fingers.delete(event.pointerId) && fingers.size === 0 && moved < 4 && event.type === 'pointerup') this.pick(view.under(at.x, at.y, this.scene));
    };
    canvas.addEventListener('pointerup', up);
    canvas.addEventListener('pointercancel', up);
    canvas.addEventListener('dblclick', () => view.fit());
    canvas.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
      const step = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[event.key];
      if (step && (event.shiftKey || event.key === 'ArrowUp' || event.key === 'ArrowDown')) view.pan(step[0], step[1]);
      else if (event.key === '+' || event.key === '=') view.zoom(1.3);
      else if (event.key === '-') view.zoom(1 / 1.3);
      else if (event.key === '0') view.fit();
      else if (event.key === 'Escape') this.pick(undefined);
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
  }
}
