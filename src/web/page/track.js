// The timesteps of one provider, as far as they are kept: frames as they came, and a whole world now and then. Pure.

import { readResult } from './msgpack.js';
import { after, numbersOf } from './world.js';

/** @typedef {import('./world.js').World} World @typedef {import('./world.js').Numbers} Numbers */

/** Every so many timesteps a world is kept. */
const KEY_EVERY = 20;
/** Worlds at hand around what is shown. */
const RECENT_MAX = 6;
/** Worlds that are kept. */
const KEYS_MAX = 64;
/** Timesteps that came with their worlds, of which what happened in them is at hand. */
const ALONE_MAX = 16;
/** Numbers of timesteps that are kept. */
const NUMBERS_MAX = 20000;

export class Track {
  /** @param {number} [bytesMax] bytes of frames that are kept */
  constructor(bytesMax = 24 << 20) {
    this.bytesMax = bytesMax;
    this.bytes = 0;
    /** @type {Map<number, ArrayBuffer>} */
    this.frames = new Map();
    /** @type {Map<number, World>} */
    this.keys = new Map();
    /** @type {Map<number, World>} */
    this.recent = new Map();
    /** What happened in timesteps that were gone to. @type {Map<number, any>} */
    this.alone = new Map();
    /** @type {Map<number, Numbers>} */
    this.numbers = new Map();
    /** The newest world, however far back somebody looks. @type {{time: number, world: World}|undefined} */
    this.newest = undefined;
  }

  clear() {
    for (const map of [this.frames, this.keys, this.recent, this.alone, this.numbers]) map.clear();
    this.bytes = 0;
    this.newest = undefined;
  }

  /** A whole world of this time. @param {number} time @param {World} world @param {number} [score] */
  addWorld(time, world, score) {
    this.keys.set(time, world);
    if (this.newest === undefined || time >= this.newest.time) this.newest = { time, world };
    this.count(time, world, score);
    this.trim(time);
  }

  /** What happened in a timestep whose world came with it: that is not kept for long. @param {number} time @param {any} record */
  addAlone(time, { changes, commands }) {
    this.alone.set(time, { changes, commands });
    while (this.alone.size > ALONE_MAX) this.alone.delete(/** @type {number} */ (this.alone.keys().next().value));
  }

  /**
   * A timestep that came.
   * @param {number} time
   * @param {ArrayBuffer} frame
   * @param {any} record
   */
  addStep(time, frame, record) {
    if (!this.frames.has(time)) {
      this.frames.set(time, frame);
      this.bytes += frame.byteLength;
    }
    const before = this.newest?.time === time - 1 ? this.newest.world : this.recent.get(time - 1) ?? this.keys.get(time - 1);
    if (before !== undefined && !this.recent.has(time)) this.remember(time, after(before, record.changes ?? []), record.score);
    this.trim(time);
  }

  /** @param {number} time @param {World} world @param {number} [score] */
  remember(time, world, score) {
    this.recent.delete(time);
    this.recent.set(time, world);
    while (this.recent.size > RECENT_MAX) this.recent.delete(/** @type {number} */ (this.recent.keys().next().value));
    if (this.newest === undefined || time > this.newest.time) this.newest = { time, world };
    if (time % KEY_EVERY === 0) this.keys.set(time, world);
    this.count(time, world, score);
  }

  /** @param {number} time @param {World} world @param {number} [score] */
  count(time, world, score) {
    if (!this.numbers.has(time) && this.numbers.size < NUMBERS_MAX) this.numbers.set(time, numbersOf(world, time, score));
  }

  /** Frames that are far from what has just come go first. @param {number} time */
  trim(time) {
    while (this.keys.size > KEYS_MAX) this.keys.delete(farthestOf(this.keys, time));
    while (this.bytes > this.bytesMax && this.frames.size > 1) {
      const farthest = farthestOf(this.frames, time);
      this.bytes -= this.frames.get(farthest)?.byteLength ?? 0;
      this.frames.delete(farthest);
    }
  }

  /** What came of a timestep. @param {number} time @returns {any} */
  record(time) {
    const frame = this.frames.get(time);
    return frame ? readResult(frame).record : this.alone.get(time);
  }

  /** The world of a time; none where something on the way to it is not here. @param {number} time @returns {World|undefined} */
  world(time) {
    let from = time;
    /** @type {World|undefined} */
    let world;
    for (; world === undefined; from -= 1) {
      world = this.recent.get(from) ?? this.keys.get(from);
      if (world === undefined && !this.frames.has(from)) return undefined;
    }
    for (let at = from + 2; at <= time; at += 1) {
      const record = this.record(at);
      world = after(world, record.changes ?? []);
      this.remember(at, world, record.score);
    }
    return world;
  }

  /** Whether a timestep is here. @param {number} time */
  has(time) {
    return this.frames.has(time) || this.keys.has(time);
  }

  /** First and last times of what is here without a gap. @returns {Array<[number, number]>} */
  ranges() {
    const times = [...new Set([...this.frames.keys(), ...this.keys.keys()])].sort((a, b) => a - b);
    /** @type {Array<[number, number]>} */
    const ranges = [];
    for (const time of times) {
      const last = ranges[ranges.length - 1];
      if (last && last[1] === time - 1) last[1] = time;
      else ranges.push([time, time]);
    }
    return ranges;
  }
}

/** The key that is farthest from this one. @param {Map<number, any>} map @param {number} time */
function farthestOf(map, time) {
  let farthest = time;
  for (const known of map.keys()) if (Math.abs(known - time) > Math.abs(farthest - time)) farthest = known;
  return farthest;
}
