// The views of rescue simulations: one map with all about it, and two on one clock.

import { attempt, button, download, fill, h, note, put } from './dom.js';
import { count, csv } from './format.js';
import { Inspector } from './inspect.js';
import { rpc, sessionName } from './net.js';
import { Pane } from './pane.js';
import { Player } from './player.js';
import { providers } from './providers.js';
import { Timeline } from './timeline.js';

/** What can be shown or not, and whether it is from the start. @type {Array<[string, string, boolean]>} */
const LAYERS = [['blockades', 'blockades', true], ['commands', 'commands', false], ['history', 'path history', false], ['radio', 'radio', false],
  ['perception', 'perception of the chosen', false], ['names', 'ids', false], ['buried', 'buriedness', true]];

/** @param {string} key @param {boolean} fallback */
function remembered(key, fallback) {
  const value = localStorage.getItem(`layer ${key}`);
  return value === null ? fallback : value === '1';
}

/**
 * A view with one map, or two side by side.
 * @param {HTMLElement} root
 * @param {string[]} words of the address: provider, time, id
 * @param {{maps: 1|2, address: (words: Array<string|number>) => void}} how
 */
export function show(root, words, { maps, address }) {
  const layers = Object.fromEntries(LAYERS.map(([key, , on]) => [key, remembered(key, on)]));
  const player = new Player();
  const end = providers.use();
  /** @type {Pane[]} */
  const panes = [];
  /** The map that was used last. @type {Pane} */
  let active;
  const inspector = new Inspector({
    choose: (id) => active.pick(id),
    follow: (id) => { active.followed = active.followed === id ? undefined : id; },
    seek: (time) => { player.seek(time, edge()); changed(); },
  });
  const edge = () => panes.map((pane) => pane.edge).reduce((all, one) => ({
    live: Math.max(all.live, one.live), last: Math.max(all.last, one.last), first: Math.min(all.first, one.first), stepMs: Math.max(all.stepMs, one.stepMs), end: Math.max(all.end, one.end),
  }));
  /** @type {number|undefined} */
  let told;
  const changed = () => {
    clearTimeout(told);
    told = setTimeout(() => {
      if (maps === 2) address(panes.map((pane) => pane.provider ?? '-'));
      else if (active?.provider !== undefined) address([active.provider, player.follows ? 'live' : player.shown.time, ...(active.chosen === undefined ? [] : [active.chosen])]);
    }, 300);
  };
  // What the address names is taken from the start, so that no other map chooses it.
  const named = words.slice(0, maps).map(Number).map((id) => (id > 0 ? id : undefined));
  for (let n = 0; n < maps; n += 1) {
    panes.push(new Pane({ provider: named[n], label: maps === 1 ? 'Map' : n === 0 ? 'Left map' : 'Right map', layers, changed, chose: (pane) => { active = pane; changed(); },
      provided: (pane) => { active = pane; if (maps === 1) player.toLive(); changed(); }, taken: () => [...named.slice(panes.length), ...panes.map((pane) => pane.provider)] }));
  }
  active = panes[0];
  /** The time that the address asks for, until it can be shown. @type {{time: number}|undefined} */
  let wanted;
  const timeline = new Timeline(player, edge, changed);
  const numbers = h('div', { class: 'numbers', 'aria-label': 'Numbers of the shown timestep' });
  const session = h('div', { class: 'row session', 'aria-label': 'The session of this provider' });
  const search = h('input', { type: 'search', placeholder: 'id', size: 10, 'aria-label': 'search an id', onchange: () => find(Number(search.value)) });
  const find = (/** @type {number} */ id) => {
    if (!Number.isInteger(id) || id <= 0) return;
    active.pick(id);
    const { world } = active.scene;
    const place = active.view.ground?.byId.get(id) ?? world?.get(id);
    if (place && place.x !== undefined && place.y !== undefined) active.view.centre(/** @type {any} */ (place));
  };
  const switches = h('details', { class: 'layers' }, h('summary', {}, 'Layers'), LAYERS.map(([key, name]) => h('label', {}, h('input', { type: 'checkbox', checked: layers[key],
    onchange: (/** @type {any} */ event) => {
      layers[key] = event.target.checked;
      localStorage.setItem(`layer ${key}`, layers[key] ? '1' : '0');
      for (const pane of panes) pane.scene.layers = { ...layers };
    } }), ` ${name}`)));
  const tools = h('div', { class: 'row' }, switches, search,
    button('fit', () => panes.forEach((pane) => pane.view.fit()), { title: 'all of the map (0)' }),
    button('PNG', () => active.canvas.toBlob((/** @type {Blob|null} */ blob) => blob && download(`map-${active.provider}-${player.shown.time}.png`, blob)), { title: 'a picture of the map' }),
    button('CSV', () => download(`scores-${active.provider}.csv`, new Blob([scores(active)], { type: 'text/csv' })), { title: 'the numbers of all timesteps that are here' }));
  const side = h('aside', { class: 'side', 'aria-label': 'About what is shown' }, tools, session, numbers, inspector.element);
  fill(root, h('div', { class: `rescue maps${maps}` }, h('div', { class: 'panes' }, panes.map((pane) => pane.element)), side, timeline.element));

  const [, second] = words;
  if (maps === 1 && named[0] !== undefined) {
    if (Number(second) >= 0 && second !== undefined && second !== 'live' && second !== '') wanted = { time: Number(second) };
    if (Number(words[2]) > 0) panes[0].chosen = Number(words[2]);
  }
  const keys = (/** @type {KeyboardEvent} */ event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA|BUTTON|SUMMARY)$/.test(target.tagName) || document.querySelector('dialog[open]')) return;
    if (timeline.key(event.key)) event.preventDefault();
  };
  document.addEventListener('keydown', keys);
  let before = performance.now();
  let frame = requestAnimationFrame(function tick(now) {
    const ms = Math.min(250, now - before);
    before = now;
    const limits = edge();
    if (wanted && active.feed?.map && limits.last >= wanted.time) {
      player.seek(wanted.time, limits);
      wanted = undefined;
    }
    player.go(ms, limits, (time) => panes.every((pane) => pane.can(time)));
    const { time, part } = player.shown;
    for (const pane of panes) {
      if (player.plays && !player.follows) pane.ahead(time);
      if (pane.draw(time, part)) frames.drawn += 1;
    }
    timeline.draw(panes.flatMap((pane) => pane.feed ?? []));
    about(numbers, panes, time);
    if (maps === 1 || active.chosen !== undefined) inspector.show(active.feed, active.chosen, active.scene.time, active.scene.world, active.followed);
    frame = requestAnimationFrame(tick);
  });
  const sessions = () => controls(session, active.provider, () => player.shown.time);
  providers.addEventListener('change', sessions);
  /** For tests and the curious. */
  Object.assign(window, { instep: { player, panes, frames } });
  return {
    leave() {
      cancelAnimationFrame(frame);
      clearTimeout(told);
      document.removeEventListener('keydown', keys);
      providers.removeEventListener('change', sessions);
      for (const pane of panes) pane.close();
      end();
    },
  };
}

/** Pictures that were drawn. */
const frames = { drawn: 0 };

/** The numbers of what is shown. @param {HTMLElement} place @param {Pane[]} panes @param {number} time */
function about(place, panes, time) {
  const all = panes.map((pane) => pane.feed?.track.numbers.get(pane.scene.time));
  const key = JSON.stringify([time, all]);
  if (place.dataset.key === key) return;
  place.dataset.key = key;
  /** @type {Array<[string, (one: import('./world.js').Numbers) => string]>} */
  const rows = [['score', ({ score }) => score.toFixed(3)], ['alive', ({ alive }) => count(alive)], ['dead', ({ dead }) => count(dead)], ['buried', ({ buried }) => count(buried)],
    ['civilians in refuges', ({ rescued, civilians }) => `${rescued} of ${civilians}`], ['buildings burning', ({ burning }) => count(burning)], ['blockades', ({ blockades }) => count(blockades)]];
  if (all.some((one) => one && one.beds > 0)) rows.push(['beds taken', ({ taken, beds }) => `${taken} of ${beds}`]);
  const types = [...new Set(all.flatMap((one) => Object.keys(one?.types ?? {})))].sort();
  for (const type of types) rows.push([type.replace('Tactics', ''), (one) => `${one.types[type]?.alive ?? 0}${one.types[type]?.dead ? ` + ${one.types[type].dead} dead` : ''}`]);
  fill(place, h('table', { class: 'plain' }, h('tbody', {}, rows.map(([name, value]) => h('tr', {}, h('th', { scope: 'row' }, name), all.map((one) => h('td', {}, one ? value(one) : '–')))))));
}

/** The numbers of all timesteps that are here, as a table. @param {Pane} pane */
function scores(pane) {
  const all = [...(pane.feed?.track.numbers.values() ?? [])].sort((a, b) => a.time - b.time);
  return csv(['time', 'score', 'alive', 'dead', 'buried', 'rescued', 'civilians', 'burning', 'blockades'])
    + all.map((one) => csv([one.time, one.score, one.alive, one.dead, one.buried, one.rescued, one.civilians, one.burning, one.blockades])).join('');
}

/** How many times its own speed a log is played at. */
const SPEEDS = [0.25, 0.5, 1, 2, 4, 8, 16, 32, 100];

/**
 * The session of a provider: its state is everybody's, not this page's; and so are the pace of a log, and where it goes on.
 * @param {HTMLElement} place
 * @param {number|undefined} provider
 * @param {() => number} shown the timestep that is shown
 */
function controls(place, provider, shown) {
  const session = provider === undefined ? undefined : providers.sessionOf(provider);
  const isLog = provider !== undefined && (providers.get(provider)?.type.endsWith('LOG') ?? false);
  const key = JSON.stringify([session?.sessionName, session?.state, session?.permitted, provider, isLog]);
  if (place.dataset.key === key) return;
  place.dataset.key = key;
  const speed = h('select', { 'aria-label': 'speed of the log for everybody', onchange: () => attempt(async () => {
    await rpc('play', { provider, speed: Number(speed.value) });
    note(`the log is played at ${speed.value} times its own speed`);
  }) }, h('option', { value: '', disabled: true, selected: true }, 'speed'), SPEEDS.map((times) => h('option', { value: times }, `${times}×`)));
  const play = isLog ? [speed, button('go on from here', async () => {
    await rpc('play', { provider, time: shown() });
    note(`the log goes on from ${shown()} for everybody`);
  }, { class: 'warn', title: 'the log is played from the shown timestep on, for everybody' })] : [];
  if (!session) {
    fill(place, play.length > 0 ? 'for everybody: ' : '', play);
    return;
  }
  const words = { START_SCENARIO: 'start', PAUSE_SCENARIO: 'pause', RESUME_SCENARIO: 'resume', STOP_SCENARIO: 'stop' };
  const may = Object.entries(words).filter(([trigger]) => session.permitted?.includes(trigger));
  const state = h('b', {});
  put(state, session.state);
  fill(place, h('span', {}, 'session ', h('a', { href: `#sessions/${encodeURIComponent(session.sessionName)}` }, session.sessionName), ' is ', state, '; for everybody: '),
    may.map(([trigger, word]) => button(`${word} the session`, () => rpc(trigger.toLowerCase(), undefined, sessionName(session.sessionName)), { class: 'warn' })), play);
}
