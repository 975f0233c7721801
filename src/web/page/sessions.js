// Shared sessions: the state as a diagram with what may be triggered, members, what has happened, initialization.

import { ask, attempt, button, colour, copy, fill, h, note, put } from './dom.js';
import { clock, indented, span } from './format.js';
import { History, words } from './history.js';
import { List, filterOf } from './list.js';
import { link, poll, rpc, serverTime, sessionName } from './net.js';
import { Guest } from './guest.js';

/** Where a state is drawn, in a field of 100 x 40. @type {Record<string, [number, number]>} */
const STATES = { UNINITIALIZED: [14, 8], INITIALIZING: [50, 8], INITIALIZED: [86, 8], RUNNING: [86, 32], PAUSED: [40, 32] };
/** Triggers that lead from one state to another. @type {Array<[string, string, string]>} */
const WAYS = [['UNINITIALIZED', 'INITIALIZING', 'SUBMIT_INITIALIZATION'], ['INITIALIZING', 'INITIALIZED', 'SHARE_SCENARIO'], ['INITIALIZED', 'RUNNING', 'START_SCENARIO'],
  ['RUNNING', 'PAUSED', 'PAUSE_SCENARIO'], ['PAUSED', 'RUNNING', 'RESUME_SCENARIO']];
/** Every trigger, in the order of a scenario. */
const TRIGGERS = ['SUBMIT_INITIALIZATION', 'INITIALIZATION_COMPLETE', 'SHARE_SCENARIO', 'START_SCENARIO', 'PAUSE_SCENARIO', 'RESUME_SCENARIO', 'STOP_SCENARIO', 'RESET_SCENARIO'];
const OPTIONS = { paused_allows: ['reports', 'nothing', 'all'], share_guard: ['initialized', 'all_complete', 'none'], init_merge: ['replace', 'marshal'], unknown_bodies: ['refuse', 'relay'] };

/** @param {HTMLElement} root @param {string[]} path */
export function show(root, path) {
  let name = path[0] ? decodeURIComponent(path[0]) : '';
  const list = new List('Sessions', [
    { title: 'name', width: '1fr', value: (row) => row.sessionName }, { title: 'state', width: '8.5em', value: (row) => row.state },
    { title: 'members', width: '5em', right: true, value: (row) => row.members },
  ], { click: (row) => { location.hash = `#sessions/${encodeURIComponent(row.sessionName)}`; } });
  const title = h('h2', {});
  const text = h('p', { class: 'hint' });
  const diagram = h('canvas', { class: 'diagram', role: 'img', 'aria-label': 'states of the session' });
  const triggers = h('div', { class: 'row triggers', 'aria-label': 'Triggers' });
  const at = h('input', { type: 'datetime-local', step: 1, 'aria-label': 'when: empty is now' });
  const scheduled = h('p', { class: 'scheduled', role: 'status' });
  const members = new List('Members', [
    { title: 'name', width: 'minmax(9em,1.5fr)', value: (row) => row.name }, { title: 'system', width: '1fr', value: (row) => row.system ?? '' }, { title: 'dialect', width: '4.5em', value: (row) => row.dialect ?? row.format ?? '' },
    { title: 'joined', width: '4em', right: true, value: (row) => row.joined ?? 0 }, { title: 'acked', width: '4em', right: true, value: (row) => row.acked ?? 0 },
    { title: 'in step', width: '5.5em', value: (row) => inStep(row, stateSeq) }, { title: 'events behind', width: '8em', right: true, value: (row) => Math.max(0, (current?.seq ?? 0) - (row.acked ?? 0)) },
  ], { empty: 'nobody has joined' });
  const events = new List('Events', [
    { title: 'n', width: '4em', right: true, value: (row) => row.n, text: (row) => (row.n > 0 ? String(row.n) : '') }, { title: 'time', width: '8em', value: (row) => row.at, text: (row) => clock(row.at) }, { title: 'what', width: '8em', value: (row) => row.what },
    { title: 'by', width: '1fr', value: (row) => row.by ?? '' }, { title: 'about', width: '2fr', value: (row) => row.text },
  ], { by: 1, down: true, tie: (row) => -row.n, click: (row) => attempt(async () => {
    const document = await history.document(row);
    if (document) view(`Event ${row.n}`, document);
  }), empty: 'nothing yet' });
  const history = new History((rows) => events.set(rows));
  /** @type {any} */
  let current;
  /** The number of the last change of state. */
  let stateSeq = 0;
  /** @type {Guest|undefined} */
  let guest;
  const soon = h('select', { 'aria-label': 'how soon', onchange: () => (at.value = '') },
    [['0', 'now'], ['5', 'in 5 s'], ['10', 'in 10 s'], ['30', 'in 30 s'], ['60', 'in 1 min'], ['300', 'in 5 min']].map(([value, text]) => h('option', { value }, text)));
  const params = async () => {
    if (at.value !== '') return { at: new Date(at.value).getTime() };
    return soon.value === '0' ? undefined : { at: (await serverTime()) + 1000 * Number(soon.value) };
  };
  const pull = async (/** @type {string} */ trigger) => {
    const answer = await rpc(trigger.toLowerCase(), await params(), sessionName(name));
    at.value = '';
    soon.value = '0';
    note(`${words(trigger)}: ${answer?.state ?? 'done'}`);
    await refresh();
  };
  const attend = h('button', { type: 'button', 'aria-pressed': 'false', title: 'join as a guest and hear every document as it comes, also long ones', onclick: () => attempt(async () => {
    if (guest) {
      await guest.leave();
      guest = undefined;
    } else {
      guest = await Guest.join(name, (event) => history.add(event));
    }
    attend.setAttribute('aria-pressed', String(guest !== undefined));
    put(attend, guest ? 'attending' : 'attend');
    attend.classList.toggle('on', guest !== undefined);
  }) }, 'attend');
  const file = h('input', { type: 'file', accept: '.xml,text/xml,application/xml', class: 'hidden', onchange: () => attempt(async () => {
    const [chosen] = file.files;
    file.value = '';
    if (chosen) await Guest.hand(name, chosen);
    note(`${chosen.name} is handed in`);
    await refresh();
  }) });
  const tools = h('div', { class: 'row' }, attend, button('hand in a document…', () => file.click(), { title: 'an initialization, or any C2SIM document, as XML' }), file,
    button('initialization', async () => view('Initialization', await rpc('initialization', undefined, sessionName(name)))),
    button('options…', () => create(current)), button('delete…', remove, { class: 'warn' }));
  const detail = h('div', { class: 'detail' }, h('div', { class: 'row' }, title, tools), text, diagram, triggers,
    h('div', { class: 'row' }, h('label', {}, 'when: ', soon), h('label', {}, 'or at ', at), scheduled),
    h('h3', {}, 'Members'), members.element, h('div', { class: 'row' }, h('h3', {}, 'Events'), filterOf('filter events', [events]),
      button('copy', () => copy(events.seen.map((row) => `#${row.n} ${clock(row.at)} ${row.what} ${row.by ?? ''} ${row.text}`).join('\n')))), events.element);
  fill(root, h('div', { class: 'sessions' }, h('section', { class: 'card', 'aria-label': 'All sessions' }, h('div', { class: 'row' }, h('h2', {}, 'Sessions'), button('create…', () => create(undefined))), list.element),
    h('section', { class: 'card wide', 'aria-label': 'Session' }, detail)));

  async function refresh() {
    const all = await rpc('send_sessions');
    list.set(all);
    if (name === '' && all.length > 0) {
      name = (all.find((/** @type {any} */ one) => one.state !== 'UNINITIALIZED') ?? all[0]).sessionName;
      recall();
    }
    current = all.find((/** @type {any} */ one) => one.sessionName === name);
    detail.hidden = !current;
    if (!current) return;
    put(title, current.info.displayName || name);
    put(text, [name, `schema ${current.info.c2simSchemaVersion}`, `event ${current.seq}`, `made ${current.createdAt}`, current.kept ? 'kept on disk' : '', current.info.description].filter(Boolean).join(' · '));
    draw(diagram, current);
    buttons(triggers, current, pull);
    const answer = await rpc('members', undefined, sessionName(name)).catch(() => ({ members: [] }));
    stateSeq = answer.state_seq ?? 0;
    members.set(answer.members ?? []);
    if ((history.upto ?? -1) < current.seq) await history.read(name, current.seq);
  }

  function countdown() {
    const next = current?.scheduled;
    put(scheduled, next ? `${words(next.trigger)} in ${span(Math.max(0, (next.at - Date.now()) / 1000))}, by ${next.by}` : '');
  }

  /** Makes a session, or gives one other words and options. @param {any} session */
  async function create(session) {
    const field = (/** @type {string} */ key, /** @type {string} */ label, /** @type {any} */ value) => h('label', {}, label, h('input', { name: key, value: value ?? '', required: key === 'name', readOnly: key === 'name' && session !== undefined }));
    const wish = await ask(session ? `Session ${session.sessionName}` : 'A new session', [
      field('name', 'name', session?.sessionName), field('display_name', 'title', session?.info.displayName), field('description', 'description', session?.info.description),
      field('provider', 'provider (number)', session?.provider || ''),
      !session && h('label', {}, 'schema', h('select', { name: 'schema' }, ['2.0.0', '1.0.2'].map((one) => h('option', {}, one)))),
      ...Object.entries(OPTIONS).map(([key, values]) => h('label', {}, key.replace('_', ' '), h('input', { name: key, value: session?.options[key] ?? values[0], list: `of-${key}` }), h('datalist', { id: `of-${key}` }, values.map((one) => h('option', { value: one })))))
    ], session ? 'Change' : 'Create', (form) => Object.fromEntries([...new FormData(form)].filter(([key, value]) => value !== '' && (session === undefined || key === 'name' || value !== (session.options[key] ?? undefined)))));
    if (!wish) return;
    if (wish.provider) wish.provider = /** @type {any} */ (Number(wish.provider));
    await rpc('create_session', wish);
    location.hash = `#sessions/${encodeURIComponent(String(wish.name))}`;
    await refresh();
  }

  async function remove() {
    const yes = await ask(`Delete ${name}?`, [h('p', {}, 'Its members are told and taken out; what it has kept is gone.'), h('label', {}, h('input', { type: 'checkbox', name: 'force' }), ' even if it is in use')], 'Delete', (form) => ({ force: new FormData(form).get('force') !== null }));
    if (!yes) return;
    await rpc('delete_session', { name, ...(yes.force ? { force: true } : {}) });
    location.hash = '#sessions';
  }

  const told = (/** @type {any} */ event) => {
    if (event.detail.session !== name) return;
    history.add(event.detail);
    void attempt(refresh);
  };
  /** What was told of this session before it was looked at. */
  function recall() {
    for (const event of link.kept) if (event.kind === 'sessions' && event.session === name) history.add(event);
  }
  recall();
  link.addEventListener('sessions', told);
  const end = poll(refresh, 1000);
  const timer = setInterval(countdown, 200);
  return {
    leave() {
      link.removeEventListener('sessions', told);
      clearInterval(timer);
      end();
      history.clear();
      void guest?.leave();
    },
  };
}

/** Whether a member has followed the last change of state; who joined behind it was told with the answer. @param {any} row @param {number} stateSeq */
function inStep(row, stateSeq) {
  if (row.away_s !== undefined) return `away ${row.away_s} s`;
  return row.acked >= stateSeq || row.joined >= stateSeq ? 'yes' : 'not said';
}

/** A document on the screen. @param {string} title @param {any} answer */
function view(title, answer) {
  const xml = typeof answer === 'string' ? answer : answer?.initialization ?? JSON.stringify(answer, null, 2);
  const text = xml ? (xml.startsWith('<') ? indented(xml) : xml) : 'There is none yet.';
  const dialog = h('dialog', { class: 'document', 'aria-label': title, onclose: () => dialog.remove() }, h('h2', {}, title), h('pre', { tabIndex: 0 }, text),
    h('p', { class: 'row end' }, button('copy', () => copy(text)), button('close', () => dialog.close(), { class: 'first' })));
  document.body.append(dialog);
  dialog.showModal();
}

/** Buttons of the triggers; those that are not permitted now are not to be pressed. @param {HTMLElement} place @param {any} session @param {(trigger: string) => Promise<void>} pull */
function buttons(place, session, pull) {
  const key = `${session.sessionName} ${session.permitted.join()}`;
  if (place.dataset.key === key) return;
  place.dataset.key = key;
  fill(place, TRIGGERS.filter((trigger) => session.permitted.includes(trigger)).map((trigger) => button(words(trigger), () => pull(trigger), { class: 'first', 'data-trigger': trigger })));
}

/** The diagram of states. @param {HTMLCanvasElement} canvas @param {any} session */
function draw(canvas, session) {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth || 600;
  const key = [session.state, session.permitted.join(), width, colour('text')].join('/');
  if (canvas.dataset.key === key) return;
  canvas.dataset.key = key;
  const height = 130;
  [canvas.width, canvas.height] = [width * ratio, height * ratio];
  const to = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  to.setTransform(ratio, 0, 0, ratio, 0, 0);
  const place = (/** @type {string} */ state) => ({ x: STATES[state][0] * width / 100, y: STATES[state][1] * height / 40 });
  to.font = `${width < 480 ? 9 : 12}px system-ui, sans-serif`;
  to.textAlign = 'center';
  to.textBaseline = 'middle';
  const half = Math.min(64, width / 100 * 13);
  for (const [from, end, trigger] of WAYS) {
    const [a, b] = [place(from), place(end)];
    const back = trigger === 'RESUME_SCENARIO' ? 9 : trigger === 'PAUSE_SCENARIO' ? -9 : 0;
    const sign = Math.sign(b.x - a.x);
    const start = { x: a.x + sign * half, y: a.y + (sign === 0 ? 14 : back) };
    const stop = { x: b.x - sign * half, y: b.y - (sign === 0 ? 14 : 0) + (sign === 0 ? 0 : back) };
    const can = session.permitted.includes(trigger) && session.state === from;
    to.strokeStyle = to.fillStyle = can ? colour('accent') : colour('dim');
    to.lineWidth = can ? 2 : 1;
    to.beginPath();
    to.moveTo(start.x, start.y);
    to.lineTo(stop.x, stop.y);
    const angle = Math.atan2(stop.y - start.y, stop.x - start.x);
    for (const turn of [2.6, -2.6]) {
      to.moveTo(stop.x, stop.y);
      to.lineTo(stop.x + 7 * Math.cos(angle + turn), stop.y + 7 * Math.sin(angle + turn));
    }
    to.stroke();
    // What does not fit between two states stands above them.
    const up = to.measureText(words(trigger)).width > Math.abs(stop.x - start.x) ? -20 : -9;
    if (width > 480) to.fillText(words(trigger), (start.x + stop.x) / 2 + (sign === 0 ? -26 : 0), (start.y + stop.y) / 2 + (back > 0 ? 9 : sign === 0 ? 0 : up));
  }
  for (const state of Object.keys(STATES)) {
    const { x, y } = place(state);
    const is = session.state === state;
    to.fillStyle = is ? colour('accent') : colour('card');
    to.strokeStyle = is ? colour('accent') : colour('dim');
    to.lineWidth = 1.5;
    to.beginPath();
    to.roundRect(x - half, y - 13, 2 * half, 26, 8);
    to.fill();
    to.stroke();
    to.fillStyle = is ? '#fff' : colour('text');
    to.fillText(state, x, y + 0.5);
  }
  canvas.setAttribute('aria-label', `the session is ${session.state}; permitted: ${session.permitted.map(words).join(', ')}`);
}
