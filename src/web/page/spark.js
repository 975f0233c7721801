// Small curves of the last minutes.

import { colour, h } from './dom.js';

const WIDTH = 140;
const HEIGHT = 28;

/** A number that is looked at once a second. */
export class Spark {
  /** @param {string} label @param {(n: number|undefined) => string} words @param {number} [kept] */
  constructor(label, words, kept = 300) {
    this.words = words;
    this.kept = kept;
    /** @type {number[]} */
    this.values = [];
    this.text = h('b', {}, '–');
    this.canvas = h('canvas', { width: WIDTH, height: HEIGHT, 'aria-hidden': 'true' });
    this.element = h('div', { class: 'spark' }, h('span', {}, label), this.text, this.canvas);
  }

  /** @param {number} value */
  add(value) {
    this.values.push(value);
    if (this.values.length > this.kept) this.values.shift();
    this.text.textContent = this.words(value);
    const to = this.canvas.getContext('2d');
    const most = Math.max(1e-9, ...this.values);
    to.clearRect(0, 0, WIDTH, HEIGHT);
    to.beginPath();
    this.values.forEach((one, n) => {
      const x = WIDTH - (this.values.length - 1 - n) * WIDTH / (this.kept - 1);
      const y = HEIGHT - 2 - (HEIGHT - 4) * one / most;
      if (n === 0) to.moveTo(x, y);
      else to.lineTo(x, y);
    });
    to.strokeStyle = colour('accent');
    to.lineWidth = 1.5;
    to.stroke();
  }
}
