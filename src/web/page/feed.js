// A viewer of one provider: the protocol over a WebSocket, and the track of what has come.

import { socketAs } from './access.js';
import { readResult, writeRequest } from './msgpack.js';
import { root, rpc } from './net.js';
import { Track } from './track.js';
import { worldOf } from './world.js';

export const OPEN = 1;
export const CLOSE = 2;
export const ACTION = 4;
export const UPDATE = 8;
export const WORLD = 16;
export const PERCEPTION = 32;
export const CONFIG = 64;
export const MAP = 128;

/** Old timesteps that are asked for at a time. */
const ASKED_MAX = 8;

/** Dispatches `map`, `step` (with `detail` its time), and `state` when something in words has changed. */
export class Feed extends EventTarget {
  /** @param {number} provider */
  constructor(provider) {
    super();
    this.provider = provider;
    /** The type of the provider, `RCRS`, `RCRS-LOG` or `VIEWER-LOG`; set by who knows it. @type {string|undefined} */
    this.kind = undefined;
    /** Its last timestep, as far as is known. */
    this.timeMax = 0;
    /** @type {{time: number, list: import('./world.js').Action[]}|undefined} */
    this.shownCommands = undefined;
    this.track = new Track();
    /** @type {any} */
    this.map = undefined;
    /** @type {Record<string, string>} */
    this.config = {};
    /** The last timestep that came unasked. */
    this.live = 0;
    this.liveAt = 0;
    this.stepMs = 1000;
    this.message = 'connecting';
    this.sessionState = '';
    this.lostSteps = 0;
    /** @type {number|undefined} */
    this.viewer = undefined;
    /** Times that have been asked for, and with which bits. @type {Map<number, number>} */
    this.asked = new Map();
    /** Times that cannot be had, and why. @type {Map<number, string>} */
    this.missing = new Map();
    /** @type {Map<number, any>} */
    this.perceived = new Map();
    this.closed = false;
    this.wait = 500;
    this.connect();
  }

  connect() {
    const place = new URL('viewer', root);
    place.protocol = place.protocol.replace('http', 'ws');
    const socket = socketAs(place);
    socket.binaryType = 'arraybuffer';
    this.socket = socket;
    this.viewer = undefined;
    this.asked.clear();
    socket.onopen = () => socket.send(writeRequest(OPEN));
    socket.onmessage = (event) => this.take(/** @type {ArrayBuffer} */ (event.data));
    socket.onclose = (event) => {
      if (this.closed || this.socket !== socket) return;
      this.say(`connection lost${event.reason ? `: ${event.reason}` : ''}; trying again`);
      setTimeout(() => this.closed || this.connect(), this.wait);
      this.wait = Math.min(5000, this.wait * 1.5);
    };
  }

  close() {
    this.closed = true;
    this.socket?.close();
    this.track.clear();
  }

  /** @param {string} message */
  say(message) {
    if (this.message === message) return;
    this.message = message;
    this.dispatchEvent(new Event('state'));
  }

  /** @param {ArrayBuffer} frame */
  take(frame) {
    const result = readResult(frame);
    const { time, record } = result;
    if (result.state !== undefined && result.state !== this.sessionState) {
      this.sessionState = result.state;
      this.dispatchEvent(new Event('state'));
    }
    if (result.viewer !== undefined && this.viewer === undefined) {
      this.viewer = result.viewer;
      void this.join(result.viewer);
      return;
    }
    if (record.map !== undefined) {
      if (this.map === undefined || this.map.entities.length !== record.map.entities.length) this.track.clear();
      this.map = record.map;
      this.dispatchEvent(new Event('map'));
    }
    if (record.config !== undefined) {
      this.config = record.config;
      const ms = Number(this.config['kernel.agents.think-time']);
      if (ms > 0) this.stepMs = ms;
    }
    const bits = this.asked.get(time);
    if (bits !== undefined && bits === result.request) this.takeOld(bits, result, frame);
    else if (record.world !== undefined) this.start(result);
    else if (record.changes !== undefined || record.commands !== undefined) this.step(time, frame, record);
    else this.say(result.message);
  }

  /** @param {number} viewer */
  async join(viewer) {
    try {
      await rpc('connect_viewer', { viewer, provider: this.provider });
      this.wait = 500;
    } catch (error) {
      this.say(error instanceof Error ? error.message : String(error));
    }
  }

  /** A fresh start: the world as it is now. @param {any} result */
  start({ time, record, message }) {
    this.perceived.clear();
    this.missing.clear();
    if (time < this.live && !this.isLog) this.track.clear();
    this.lostSteps += message.startsWith('timesteps were left out') ? 1 : 0;
    this.track.addWorld(time, worldOf(record.world), record.score);
    this.live = time;
    this.say(message);
    this.dispatchEvent(new CustomEvent('start', { detail: time }));
    this.dispatchEvent(new CustomEvent('step', { detail: time }));
  }

  /** The next timestep. @param {number} time @param {ArrayBuffer} frame @param {any} record */
  step(time, frame, record) {
    this.track.addStep(time, frame, record);
    this.live = Math.max(this.live, time);
    this.liveAt = performance.now();
    this.say('');
    this.dispatchEvent(new CustomEvent('step', { detail: time }));
  }

  /** What was asked for. @param {number} bits @param {any} result @param {ArrayBuffer} frame */
  takeOld(bits, result, frame) {
    const { time, record } = result;
    this.asked.delete(time);
    if (!result.result) {
      this.missing.set(time, result.message);
    } else if (bits & PERCEPTION) {
      this.perceived.set(time, record.perceptions ?? {});
      while (this.perceived.size > 16) this.perceived.delete(/** @type {number} */ (this.perceived.keys().next().value));
    } else {
      if (record.world !== undefined) {
        this.track.addAlone(time, record);
        this.track.addWorld(time, worldOf(record.world), record.score);
      } else if (bits & WORLD) this.missing.set(time, result.message);
      if (record.changes !== undefined && !(bits & WORLD)) this.track.addStep(time, frame, record);
    }
    this.dispatchEvent(new CustomEvent('step', { detail: time }));
  }

  /** Whether every timestep can be asked for. */
  get isLog() {
    return this.kind?.endsWith('LOG') ?? false;
  }

  /** @param {number} time @param {number} bits */
  ask(time, bits) {
    if (this.socket?.readyState !== WebSocket.OPEN || this.map === undefined) return;
    if (time < 1 || this.asked.size >= ASKED_MAX || this.asked.has(time) || this.missing.has(time)) return;
    this.asked.set(time, bits);
    this.socket.send(writeRequest(bits, time));
  }

  /**
   * The world of a time. What is lacking for it is asked for, and `undefined` comes back meanwhile.
   * @param {number} time
   */
  world(time) {
    const world = this.track.world(time);
    if (world !== undefined) return world;
    // The step from the one before is less than a whole world.
    if (this.track.world(time - 1) !== undefined) this.ask(time, ACTION | UPDATE);
    else this.ask(time, ACTION | UPDATE | WORLD);
    return undefined;
  }

  /** What was done in a timestep. @param {number} time @returns {import('./world.js').Action[]} */
  commands(time) {
    if (this.shownCommands?.time !== time) this.shownCommands = { time, list: this.track.record(time)?.commands ?? [] };
    return this.shownCommands.list;
  }

  /**
   * Who has heard what somebody said in a timestep: that is told with the next one. `undefined` while it is not known.
   * @param {number} time @param {any} action @returns {number[]|undefined}
   */
  hearers(time, action) {
    if (!this.isLog || time >= this.timeMax) return undefined;
    if (!this.perceived.has(time + 1)) this.ask(time + 1, PERCEPTION);
    const agents = this.perceived.get(time + 1);
    return agents && Object.values(agents).filter((agent) => agent.heard.some((/** @type {any} */ heard) => heard.time === time && isSame(heard, action))).map(({ id }) => id);
  }

  /** What was said, of what an agent has heard of it. @param {any} heard @returns {any} */
  said(heard) {
    const record = this.track.record(heard.time);
    if (record === undefined) this.ask(heard.time, ACTION | UPDATE);
    return record?.commands?.find((/** @type {any} */ action) => isSame(heard, action)) ?? heard;
  }

  /** What an agent has seen and heard. @param {number} time @param {number} agent */
  perception(time, agent) {
    if (!this.perceived.has(time)) this.ask(time, PERCEPTION);
    return this.perceived.get(time)?.[String(agent)];
  }
}

/** Whether what was heard is what was said. @param {any} heard @param {any} action */
const isSame = (heard, action) => ['id', 'type', 'channel', 'messageSize'].every((key) => heard[key] === action[key]);
