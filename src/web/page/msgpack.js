// MsgPack, as far as the viewer protocol has it. Pure.

const text = new TextDecoder();

/** Keys and short words come again and again: each is made once. @type {Map<number, string>} */
const words = new Map();
const WORDS_MAX = 4096;

/** Reads one value after another. */
export class Reader {
  /** @param {Uint8Array} data @param {number} [at] */
  constructor(data, at = 0) {
    this.data = data;
    this.view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    this.at = at;
  }

  /** @param {number} size */
  uint(size) {
    const at = this.at;
    this.at += size;
    switch (size) {
      case 1: return this.view.getUint8(at);
      case 2: return this.view.getUint16(at);
      case 4: return this.view.getUint32(at);
      default: return Number(this.view.getBigUint64(at));
    }
  }

  /** @param {number} size */
  int(size) {
    const at = this.at;
    this.at += size;
    switch (size) {
      case 1: return this.view.getInt8(at);
      case 2: return this.view.getInt16(at);
      case 4: return this.view.getInt32(at);
      default: return Number(this.view.getBigInt64(at));
    }
  }

  /** @param {number} len */
  raw(len) {
    if (this.at + len > this.data.length) throw new RangeError('the message ends early');
    this.at += len;
    return this.data.subarray(this.at - len, this.at);
  }

  /** @param {number} len */
  word(len) {
    const bytes = this.raw(len);
    if (len > 16) return text.decode(bytes);
    let hash = len;
    for (let n = 0; n < len; n += 1) hash = (Math.imul(hash, 31) + bytes[n]) | 0;
    const known = words.get(hash);
    if (known !== undefined && known.length === len) {
      let n = 0;
      while (n < len && known.charCodeAt(n) === bytes[n]) n += 1;
      if (n === len) return known;
    }
    const word = text.decode(bytes);
    if (words.size < WORDS_MAX) words.set(hash, word);
    return word;
  }

  /** @param {number} len */
  array(len) {
    if (len > this.data.length - this.at) throw new RangeError('the message ends early');
    const list = new Array(len);
    for (let n = 0; n < len; n += 1) list[n] = this.value();
    return list;
  }

  /** @param {number} len */
  map(len) {
    /** @type {Record<string, any>} */
    const map = {};
    for (let n = 0; n < len; n += 1) map[String(this.value())] = this.value();
    return map;
  }

  /** @returns {any} */
  value() {
    const head = this.uint(1);
    if (head < 0x80) return head;
    if (head < 0x90) return this.map(head & 15);
    if (head < 0xa0) return this.array(head & 15);
    if (head < 0xc0) return this.word(head & 31);
    if (head >= 0xe0) return head - 256;
    switch (head) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: return this.raw(this.uint(1));
      case 0xc5: return this.raw(this.uint(2));
      case 0xc6: return this.raw(this.uint(4));
      case 0xca: this.at += 4; return this.view.getFloat32(this.at - 4);
      case 0xcb: this.at += 8; return this.view.getFloat64(this.at - 8);
      case 0xcc: return this.uint(1);
      case 0xcd: return this.uint(2);
      case 0xce: return this.uint(4);
      case 0xcf: return this.uint(8);
      case 0xd0: return this.int(1);
      case 0xd1: return this.int(2);
      case 0xd2: return this.int(4);
      case 0xd3: return this.int(8);
      case 0xd9: return this.word(this.uint(1));
      case 0xda: return this.word(this.uint(2));
      case 0xdb: return this.word(this.uint(4));
      case 0xdc: return this.array(this.uint(2));
      case 0xdd: return this.array(this.uint(4));
      case 0xde: return this.map(this.uint(2));
      case 0xdf: return this.map(this.uint(4));
      default: throw new TypeError(`no such type: ${head}`);
    }
  }
}

/** Reads one value. @param {Uint8Array} data @returns {any} */
export function decode(data) {
  return new Reader(data).value();
}

/**
 * Reads a frame of the viewer protocol: its length, then one map.
 * @param {ArrayBuffer} frame
 * @returns {{request: number, message: string, result: boolean, time: number, state?: string, viewer?: number, record: any}}
 */
export function readResult(frame) {
  const reader = new Reader(new Uint8Array(frame));
  const length = reader.value();
  if (typeof length !== 'number' || length !== frame.byteLength - reader.at) throw new RangeError('a frame of another length than it says');
  return reader.value();
}

/**
 * A request of a viewer, with its length in front.
 * @param {number} bits
 * @param {number} [time]
 */
export function writeRequest(bits, time) {
  const bytes = [0x82, 0xa7, ...ascii('request'), 0xce, ...big(bits), 0xa4, ...ascii('time'), 0xce, ...big(time ?? 0)];
  return new Uint8Array([0xcd, bytes.length >> 8, bytes.length & 255, ...bytes]);
}

/** @param {string} word */
function ascii(word) {
  return [...word].map((letter) => letter.charCodeAt(0));
}

/** @param {number} n */
function big(n) {
  return [(n >>> 24) & 255, (n >>> 16) & 255, (n >>> 8) & 255, n & 255];
}
