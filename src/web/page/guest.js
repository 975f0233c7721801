// A guest of a session: hands documents in, and hears what happens with its documents, over the interface for clients of C2SIM.

import { fetchAs, socketAs } from './access.js';
import { root } from './net.js';

/** @param {string} session @param {string} what */
const place = (session, what) => new URL(`api/c2sim/session/${encodeURIComponent(session)}/${what}`, root);

/** @param {string} client @param {URL} to @param {RequestInit} [more] */
async function ask(client, to, more = {}) {
  const answer = await fetchAs(to, { ...more, headers: { clientId: client, 'Content-Type': 'application/json', ...more.headers } });
  const text = await answer.text();
  if (!answer.ok) {
    let why = text.slice(0, 300);
    try {
      const { message, code, details } = JSON.parse(text);
      why = [message, code, ...Object.values(details ?? {})].filter(Boolean).join(': ');
    } catch {
      // It is told as it is.
    }
    throw new Error(why || answer.statusText);
  }
  return text;
}

/** A client's name, which nobody else knows. */
function newClient() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return `page-${[...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

export class Guest {
  /** @param {string} session @param {string} client */
  constructor(session, client) {
    this.session = session;
    this.client = client;
    /** @type {WebSocket|undefined} */
    this.socket = undefined;
  }

  /**
   * Joins, and hears each document as it comes.
   * @param {string} session
   * @param {(event: any) => void} heard
   */
  static async join(session, heard) {
    const guest = new Guest(session, newClient());
    await ask(guest.client, place(session, 'join'), { method: 'POST', body: JSON.stringify({ systemName: 'page', clientIdDisplayName: 'page' }) });
    const to = place(session, 'ws');
    to.protocol = to.protocol.replace('http', 'ws');
    to.searchParams.set('clientId', guest.client);
    guest.socket = socketAs(to);
    guest.socket.onmessage = (event) => heard(eventOf(String(event.data)));
    return guest;
  }

  async leave() {
    this.socket?.close();
    await ask(this.client, place(this.session, 'resign'), { method: 'POST', body: '{"reason":"left"}' }).catch(() => {});
  }

  /** Hands a document in, as a guest for this one time. @param {string} session @param {Blob|string} document */
  static async hand(session, document) {
    const client = newClient();
    await ask(client, place(session, 'join'), { method: 'POST', body: JSON.stringify({ systemName: 'page', clientIdDisplayName: 'page' }) });
    try {
      return await ask(client, place(session, 'send'), { method: 'POST', body: document, headers: { 'Content-Type': 'application/xml' } });
    } finally {
      await ask(client, place(session, 'resign'), { method: 'POST', body: '{"reason":"done"}' }).catch(() => {});
    }
  }
}

let heardCount = 0;

/** A line of the stream as an event: a document, or a word in JSON about one. @param {string} line */
export function eventOf(line) {
  heardCount += 1;
  let document = line;
  /** @type {any} */
  let said = {};
  if (line.startsWith('{')) {
    said = JSON.parse(line);
    document = said.document ?? said.message ?? line;
  }
  const kind = /<(?:\w+:)?MessageBody[^>]*>\s*<(?:\w+:)?(\w+)(?:[^>]*>\s*<(?:\w+:)?(\w+))?/.exec(document);
  const by = /FromSendingSystem[^>]*>([^<]+)</.exec(document);
  return { seq: said.seq ?? -heardCount, event: 'document', by: by?.[1] ?? '', kind: kind?.[2] ?? kind?.[1] ?? 'document', time: Date.now(), document };
}
