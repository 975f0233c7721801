// The timeline: what there is, where the live edge is, the score; and the buttons and keys of the clock.

import { button, colour, h, put } from './dom.js';
import { SPEEDS } from './player.js';

/** @typedef {import('./player.js').Player} Player @typedef {import('./player.js').Edge} Edge @typedef {import('./feed.js').Feed} Feed */

const HEIGHT = 56;

export class Timeline {
  /**
   * @param {Player} player
   * @param {() => Edge} edge
   * @param {() => void} changed the clock has been moved by hand
   */
  constructor(player, edge, changed) {
    this.player = player;
    this.edge = edge;
    this.changed = changed;
    this.canvas = h('canvas', { class: 'graph', height: HEIGHT, 'aria-hidden': 'true' });
    this.to = this.canvas.getContext('2d');
    this.slider = h('input', { type: 'range', min: 0, max: 1, step: 1, value: 0, 'aria-label': 'timestep',
      oninput: () => this.act(() => player.seek(Number(this.slider.value), edge())) });
    this.play = button('▶', () => this.act(() => player.toggle(edge())), { class: 'first', title: 'play or stand (space); the page alone', 'aria-label': 'play or stand' });
    this.text = h('output', { class: 'time', 'aria-live': 'off' });
    this.toLive = button('live', () => this.act(() => player.toLive()), { title: 'to the live edge' });
    this.speed = h('select', { 'aria-label': 'speed', onchange: () => this.act(() => (player.speed = Number(this.speed.value))) },
      SPEEDS.map((speed) => h('option', { value: speed, selected: speed === 1 }, `${speed}×`)));
    this.element = h('section', { class: 'timeline', 'aria-label': 'Timeline' },
      h('div', { class: 'row' },
        button('«', () => this.key('Home'), { title: 'first (Home)', 'aria-label': 'first timestep' }),
        button('‹', () => this.key('ArrowLeft'), { title: 'one back (left)', 'aria-label': 'one timestep back' }),
        this.play,
        button('›', () => this.key('ArrowRight'), { title: 'one on (right)', 'aria-label': 'one timestep on' }),
        button('»', () => this.key('End'), { title: 'last (End)', 'aria-label': 'last timestep' }),
        this.toLive, this.speed, this.text),
      h('div', { class: 'tracks' }, this.canvas, this.slider));
    this.drawn = '';
  }

  /** @param {() => void} what */
  act(what) {
    what();
    this.changed();
  }

  /** A key that is for the clock. Whether it was one. @param {string} key */
  key(key) {
    const { player } = this;
    const edge = this.edge();
    switch (key) {
      case ' ': this.act(() => player.toggle(edge)); return true;
      case 'ArrowLeft': this.act(() => player.step(-1, edge)); return true;
      case 'ArrowRight': this.act(() => player.step(1, edge)); return true;
      case 'PageUp': this.act(() => player.step(-10, edge)); return true;
      case 'PageDown': this.act(() => player.step(10, edge)); return true;
      case 'Home': this.act(() => player.seek(edge.first, edge)); return true;
      case 'End': this.act(() => player.seek(edge.last, edge)); return true;
      default: return false;
    }
  }

  /** Shows how things are. @param {Feed[]} feeds */
  draw(feeds) {
    const { player } = this;
    const edge = this.edge();
    const { time } = player.shown;
    const state = [time, edge.live, edge.first, edge.end, player.plays, player.follows, this.canvas.clientWidth,
      ...feeds.map((feed) => feed.track.frames.size + feed.track.numbers.size)].join();
    if (state === this.drawn) return;
    this.drawn = state;
    this.slider.min = String(edge.first);
    this.slider.max = String(Math.max(edge.end, edge.first + 1));
    this.slider.value = String(time);
    this.slider.setAttribute('aria-valuetext', `timestep ${time} of ${edge.end}`);
    put(this.play, player.plays ? '❚❚' : '▶');
    put(this.text, `${time} / ${edge.end}${player.follows && player.plays ? ' · live' : ''}`);
    this.toLive.classList.toggle('on', player.follows && player.plays);
    this.graph(edge, time, feeds);
  }

  /** @param {Edge} edge @param {number} time @param {Feed[]} feeds */
  graph(edge, time, feeds) {
    const ratio = window.devicePixelRatio || 1;
    const width = this.canvas.clientWidth;
    [this.canvas.width, this.canvas.height] = [Math.max(1, Math.round(width * ratio)), HEIGHT * ratio];
    const { to } = this;
    to.setTransform(ratio, 0, 0, ratio, 0, 0);
    to.clearRect(0, 0, width, HEIGHT);
    const length = Math.max(1, edge.end - edge.first);
    // The thumb of the slider stops half its width before the ends.
    const x = (/** @type {number} */ at) => 8 + (width - 16) * (at - edge.first) / length;
    const best = Math.max(1e-9, ...feeds.map((feed) => [...feed.track.numbers.values()].reduce((most, { score }) => Math.max(most, score), 0)));
    feeds.forEach((feed, n) => {
      const tint = colour(n === 0 ? 'accent' : 'second');
      const row = HEIGHT - 5 - 5 * n;
      let before = Infinity;
      for (const [from, end] of feed.track.ranges()) {
        to.globalAlpha = 0.5;
        // What of a live run has been lost is lost; of a log it can be asked for.
        if (!feed.isLog && from > before) {
          to.fillStyle = colour('bad');
          to.fillRect(x(before), row, x(from) - x(before), 4);
        }
        to.fillStyle = tint;
        to.fillRect(x(from), row, Math.max(2, x(end) - x(from)), 4);
        before = end;
      }
      to.globalAlpha = 1;
      const numbers = [...feed.track.numbers.values()].sort((a, b) => a.time - b.time);
      to.beginPath();
      let last = -2;
      for (const { time: at, score } of numbers) {
        const y = 4 + (HEIGHT - 20) * (1 - score / best);
        if (at === last + 1) to.lineTo(x(at), y);
        else to.moveTo(x(at), y);
        last = at;
      }
      to.strokeStyle = tint;
      to.lineWidth = 1.5;
      to.stroke();
    });
    to.fillStyle = colour('live');
    to.fillRect(x(edge.live) - 1, 0, 2, HEIGHT);
    to.fillStyle = colour('text');
    to.fillRect(x(time) - 0.5, 0, 1, HEIGHT);
  }
}
