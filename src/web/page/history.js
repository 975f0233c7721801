// What has happened in a session, with its documents: as it is told to everybody, and as its events are asked for by who may read them.

import { note } from './dom.js';
import { Refused, rpc, sessionName } from './net.js';

const EVENTS_MAX = 1000;
/** Letters of documents that are kept; older ones are asked for again when somebody wants to see them. */
const LETTERS_MAX = 4 << 20;
/** So many of the past are asked for at first. */
const PAST = 200;

/** @param {string} trigger */
export const words = (trigger) => trigger.toLowerCase().replaceAll('_', ' ').replace(' scenario', '');

/** An event as it stands in the list. @param {any} event */
export function rowOf(event) {
  const { document } = event;
  const size = document ? `document of ${document.length} letters` : event.document_bytes ? `document of ${event.document_bytes} bytes` : '';
  return {
    n: event.seq ?? 0, at: event.time ?? event.at ?? Date.now(), what: event.change ?? event.event ?? '', by: event.by ?? '',
    text: [event.trigger && words(event.trigger), event.kind && event.kind !== 'sessions' ? event.kind : '', event.state, size].filter(Boolean).join(' · '),
    document, isLong: event.document_bytes !== undefined,
  };
}

export class History {
  /** @param {(rows: any[]) => void} changed */
  constructor(changed) {
    this.changed = changed;
    this.session = '';
    /** @type {any[]} */
    this.rows = [];
    this.letters = 0;
    /** The number of the last event that was asked for. @type {number|undefined} */
    this.upto = undefined;
    /** Who one is may read them. */
    this.mayRead = true;
    this.reads = false;
    this.isStale = false;
  }

  /** @param {any} event */
  add(event) {
    const row = rowOf(event);
    const known = this.rows.findIndex((one) => one.n === row.n && one.what === row.what);
    if (known >= 0) {
      const before = this.rows[known];
      // Who heard of it twice has the document of one of them.
      if (!row.document && before.document) return;
      this.letters += (row.document?.length ?? 0) - (before.document?.length ?? 0);
      this.rows[known] = row;
    } else {
      this.letters += row.document?.length ?? 0;
      this.rows.push(row);
    }
    if (this.rows.length > EVENTS_MAX) this.letters -= this.rows.shift().document?.length ?? 0;
    for (const old of this.rows) {
      if (this.letters <= LETTERS_MAX) break;
      if (old === row) continue;
      this.letters -= old.document?.length ?? 0;
      old.document = undefined;
    }
    this.changed(this.rows);
  }

  /** Asks for what has happened since the last time; `last` is the number of the last event. @param {string} session @param {number} last */
  async read(session, last) {
    this.session = session;
    this.upto ??= Math.max(0, last - PAST);
    this.isStale = true;
    if (this.reads) return;
    this.reads = true;
    try {
      while (this.isStale && this.mayRead) {
        this.isStale = false;
        const { events, more } = await rpc('events', { after: this.upto }, sessionName(session));
        for (const event of events) {
          this.add(event);
          this.upto = Math.max(this.upto, event.seq);
        }
        this.isStale ||= more && events.length > 0;
      }
    } catch (error) {
      // What everybody is told is there all the same.
      if (!(error instanceof Refused)) throw error;
      this.mayRead = false;
    } finally {
      this.reads = false;
    }
  }

  /** The document of an event, if it has one that can be had. @param {any} row @returns {Promise<string|undefined>} */
  async document(row) {
    if (row.document) return row.document;
    if (row.isLong) note('this document is too long to be asked for; attend to get such ones as they come');
    else if (!this.mayRead) note('you may not ask for documents here; attend to get them as they come');
    else if (row.n > 0) {
      const { events } = await rpc('events', { after: row.n - 1 }, sessionName(this.session));
      const document = events.find((/** @type {any} */ event) => event.seq === row.n)?.document;
      if (document) return document;
      note('this event has no document, or it is not kept any more');
    }
    return undefined;
  }

  clear() {
    this.rows = [];
    this.letters = 0;
  }
}
