// The pure parts of the page, tested in the browser that they run in. Returns the names of what went wrong.
const [msgpack, worlds, tracks, players, colours, format, map, guest, lists, access, history, feeds, inspect] = await Promise.all(
  ['msgpack', 'world', 'track', 'player', 'colours', 'format', 'map', 'guest', 'list', 'access', 'history', 'feed', 'inspect'].map((name) => import(new URL(`page/${name}.js`, document.baseURI))));
const wrong = [];
let checks = 0;
const same = (got, wanted, what) => {
  checks += 1;
  const [a, b] = [JSON.stringify(got), JSON.stringify(wanted)];
  if (a !== b) wrong.push(`${what}: ${a} instead of ${b}`);
};
const bytes = (hex) => new Uint8Array(hex.replaceAll(' ', '').match(/../g).map((pair) => parseInt(pair, 16)));
const fails = (what, act) => {
  checks += 1;
  try {
    act();
  } catch {
    return;
  }
  wrong.push(`${what}: did not fail`);
};

// Events as they are told
same(access.fields('retry: 1000\nid: 7\nevent: hello\ndata: {"a":1}'), { event: 'hello', data: '{"a":1}', id: '7' }, 'an event');
same(access.fields('data: a\ndata: b'), { event: 'message', data: 'a\nb', id: '' }, 'several lines');
same(access.fields(': alive'), { event: 'message', data: '', id: '' }, 'a sign of life');

// What has happened in a session
{
  const past = new history.History(() => {});
  past.add({ change: 'state', seq: 1, state: 'RUNNING', trigger: 'START_SCENARIO' });
  past.add({ event: 'message', seq: 2, kind: 'Order', document: 'x'.repeat(3 << 20) });
  past.add({ event: 'message', seq: 2, kind: 'Order' });
  same(past.rows.map(({ n, text, document }) => [n, text, document?.length]), [[1, 'start · RUNNING', undefined], [2, `Order · document of ${3 << 20} letters`, 3 << 20]], 'what is told twice stands there once');
  past.add({ event: 'message', seq: 3, kind: 'Order', document: 'y'.repeat(2 << 20) });
  same(past.rows.map(({ document }) => document?.length ?? 0), [0, 0, 2 << 20], 'old documents make way');
  for (let n = 4; n < 1200; n += 1) past.add({ event: 'message', seq: n });
  same([past.rows.length, past.letters], [1000, 0], 'old events too');
}

// MsgPack
same(msgpack.decode(bytes('93 01 e0 c0')), [1, -32, null], 'small values');
same(msgpack.decode(bytes('96 cc80 cd0100 ce00010000 d0ff d1ff00 d2fffffff0')), [128, 256, 65536, -1, -256, -16], 'integers');
same(msgpack.decode(bytes('92 cb3ff8000000000000 cf0000000100000000')), [1.5, 4294967296], 'doubles and long integers');
same(msgpack.decode(bytes('82 a178 01 a179 92 c2 c3')), { x: 1, y: [false, true] }, 'maps');
same(msgpack.decode(bytes('d904 c3a4c3b6')), 'äö', 'text');
same([msgpack.decode(bytes('92 a2 6162 a2 6263')), msgpack.decode(bytes('92 a2 6162 a2 6263'))], [['ab', 'bc'], ['ab', 'bc']], 'words come again');
fails('an array that is too long', () => msgpack.decode(bytes('dd ffffffff 01')));
fails('text that ends early', () => msgpack.decode(bytes('a5 61')));
fails('a type that there is not', () => msgpack.decode(bytes('c1')));
fails('a frame of another length', () => msgpack.readResult(bytes('cd0009 80').buffer));
const request = msgpack.writeRequest(12, 300);
same(msgpack.decode(request.slice(3)), { request: 12, time: 300 }, 'a request is read back');
same(msgpack.readResult(bytes('cd0001 80').buffer), {}, 'a frame');

// Worlds
const before = worlds.worldOf([{ id: 1, type: 'Civilian', x: 0, y: 0, hp: 10000, position: 9, history: [{ x: 1, y: 1 }] }, { id: 2, type: 'Blockade', apexes: [] }, { id: 9, type: 'Refuge' }]);
const later = worlds.after(before, [{ id: 1, hp: 900, x: null, history: [] }, { id: 2, deleted: true }, { id: 3, type: 'TacticsFire', x: 5, y: 6, created: true }]);
same(later.get(1), { id: 1, type: 'Civilian', y: 0, hp: 900, position: 9 }, 'what is nil has become undefined');
same([later.has(2), later.get(3), before.has(2), before.get(1).hp], [false, { id: 3, type: 'TacticsFire', x: 5, y: 6 }, true, 10000], 'gone, come, and the earlier world as it was');
same(later.get(9) === before.get(9), true, 'what has not changed is shared');
const numbers = worlds.numbersOf(later, 4);
same([numbers.alive, numbers.dead, numbers.rescued, numbers.civilians, numbers.blockades, numbers.types.TacticsFire], [2, 0, 1, 1, 0, { alive: 1, dead: 0 }], 'numbers');
const refuge = worlds.numbersOf(worlds.worldOf([{ id: 1, type: 'Refuge', bedCapacity: 50, occupiedBeds: 7 }, { id: 2, type: 'Refuge' }]), 1);
same([refuge.beds, refuge.taken, refuge.burning], [50, 7, 0], 'beds of refuges');
same(worlds.score(1, 10000, 1), 1, 'all is well');
same(worlds.score(2, 10000, 2).toFixed(6), (2 * Math.exp(-2.5)).toFixed(6), 'half of the health is gone');
same(worlds.numbersOf(later, 4, 7.5).score, 7.5, 'the score that was told');
same(worlds.along([{ x: 0, y: 0 }, { x: 10, y: 0 }, { x: 10, y: 30 }], 0.5), { x: 10, y: 10 }, 'half of the way');
same(worlds.along([{ x: 3, y: 4 }], 0.5), { x: 3, y: 4 }, 'no way');
const carried = worlds.worldOf([{ id: 1, type: 'TacticsAmbulance', x: 7, y: 8 }, { id: 2, type: 'Civilian', x: 1, y: 1, position: 1 }]);
same(worlds.placeOf(carried, carried.get(2)), { x: 7, y: 8 }, 'aboard an ambulance');
const moved = worlds.after(carried, [{ id: 1, x: 17, history: [{ x: 7, y: 18 }, { x: 17, y: 18 }] }]);
same(worlds.placeBetween(carried, moved, moved.get(2), 0.5), { x: 12, y: 18 }, 'with it along its history');
same(worlds.placeBetween(undefined, moved, moved.get(1), 0.5), { x: 17, y: 8 }, 'without an earlier world it is there');

// Tracks
const word = (text) => [0xa0 | text.length, ...new TextEncoder().encode(text)];
const frame = (time, hp) => {
  const body = [0x81, ...word('record'), 0x82, ...word('time'), time, ...word('changes'), 0x91, 0x82, ...word('id'), 1, ...word('hp'), hp];
  return new Uint8Array([0xcd, 0, body.length, ...body]).buffer;
};
const track = new tracks.Track(40 * frame(1, 1).byteLength);
track.addWorld(0, worlds.worldOf([{ id: 1, type: 'Civilian', hp: 100 }]));
for (let time = 1; time <= 30; time += 1) track.addStep(time, frame(time, time), msgpack.readResult(frame(time, time)).record);
same([track.world(30).get(1).hp, track.world(1).get(1).hp, track.world(17).get(1).hp, track.world(0).get(1).hp], [30, 1, 17, 100], 'any timestep');
same([track.world(31), track.ranges(), track.numbers.size], [undefined, [[0, 30]], 31], 'what is here');
for (let time = 31; time <= 100; time += 1) track.addStep(time, frame(time, time), msgpack.readResult(frame(time, time)).record);
same([track.frames.size, track.world(100).get(1).hp, track.world(70).get(1).hp, track.world(30)], [40, 100, 70, undefined], 'the oldest go first');
same(track.ranges().at(-1), [60, 100], 'what is left');

// The clock
const edge = { live: 10, stepMs: 1000, first: 0, last: 40, end: 40 };
const player = new players.Player();
player.go(16, edge, () => true);
same(player.head, 9, 'far behind the live edge it jumps');
player.go(500, edge, () => true);
same(player.shown, { time: 10, part: 0.5 }, 'half of the way to the live edge');
player.go(5000, edge, () => true);
same([player.head, player.shown], [10, { time: 10, part: 1 }], 'it stops there');
player.seek(3, edge);
same([player.head, player.plays, player.follows], [3, false, false], 'seeking stands');
player.step(1, edge);
player.step(100, edge);
same(player.head, 40, 'no further than there is');
player.seek(2, edge);
player.toggle(edge);
player.speed = 4;
player.go(250, edge, (time) => time <= 2);
same(player.head, 2, 'it waits for what is not here');
player.go(250, edge, () => true);
same(player.head, 3, 'four times as fast');

// Colours and words
same([colours.building(0), colours.building(100), colours.human('Civilian', 10000), colours.human('TacticsFire', 9999), colours.human('TacticsPolice', 7000), colours.human('Civilian', 0)],
  ['rgb(135,135,135)', 'rgb(85,85,85)', 'rgb(0,255,0)', 'rgb(128,0,0)', 'rgb(0,0,64)', 'rgb(0,0,0)'], 'colours');
same([colours.FIRE[1], colours.FIRE[4], colours.FIRE[8], colours.radius('Civilian'), colours.radius('TacticsFire')], ['rgba(176,176,56,0.5)', 'rgba(50,120,130,0.5)', 'rgba(0,0,0,0.5)', 1200, 1500], 'fires and sizes');
same([format.bytes(1536), format.count(12345), format.span(90), format.csv(['a,b', 1, 'c"d'])], ['1.5 KiB', '12.3k', '90 s', '"a,b",1,"c""d"\n'], 'words');
same(format.indented('<a><b>x</b><c/></a>'), '<a>\n  <b>x</b>\n  <c/>\n</a>', 'indented');
same([map.contains([{ x: 0, y: 0 }, { x: 10, y: 0 }, { x: 10, y: 10 }], { x: 9, y: 1 }), map.contains([{ x: 0, y: 0 }, { x: 10, y: 0 }, { x: 10, y: 10 }], { x: 1, y: 9 })], [true, false], 'inside and outside');
same([guest.eventOf('<Message><C2SIMHeader><FromSendingSystem>P</FromSendingSystem></C2SIMHeader><MessageBody><SystemMessageBody><StartScenario/></SystemMessageBody></MessageBody></Message>')].map(({ by, kind }) => [by, kind]), [['P', 'StartScenario']], 'a document that a guest hears');

// What happened in a timestep that was gone to
const jumped = new tracks.Track();
for (let time = 1; time <= 20; time += 1) jumped.addAlone(time, { commands: [{ id: time }], changes: [], world: [] });
same([jumped.alone.size, jumped.record(20), jumped.record(4)], [16, { changes: [], commands: [{ id: 20 }] }, undefined], 'what happened is there with the world');

// Who has heard what was said: it is told with the next timestep
const said = { id: 7, type: 'Radio', channel: 1, messageSize: 5, message: 'hello' };
const heard = { id: 7, type: 'Radio', channel: 1, messageSize: 5, time: 3 };
const agents = { 7: { id: 7, updated: [], deleted: [], heard: [heard] }, 8: { id: 8, updated: [{}], deleted: [], heard: [{ ...heard, channel: 2 }] }, 9: { id: 9, updated: [{}], deleted: [], heard: [{ ...heard }] } };
const told = Object.assign(Object.create(feeds.Feed.prototype), { kind: 'RCRS-LOG', timeMax: 4, live: 4, perceived: new Map([[4, agents]]), asked: new Map(), missing: new Map(),
  track: { frames: new Map([[3, {}]]), alone: new Map(), record: (time) => (time === 3 ? { commands: [said] } : undefined) } });
same([told.hearers(3, said), told.hearers(2, said), told.hearers(4, said)], [[7, 9], undefined, undefined], 'who has heard it');
same([told.said(heard).message, told.said({ ...heard, time: 2 }).message], ['hello', undefined], 'what was heard');
const inspector = new inspect.Inspector({ choose: () => {}, follow: () => {}, seek: () => {} });
inspector.show(told, 7, 3, new Map([[7, { id: 7, type: 'TacticsFire', stamina: 5, direction: 90 }]]), undefined);
await new Promise((resolve) => setTimeout(resolve));
inspector.show(told, 7, 3, new Map([[7, { id: 7, type: 'TacticsFire', stamina: 5, direction: 90 }]]), undefined);
same(inspector.element.textContent.match(/stamina5direction90|Radio channel 1 messageSize 5 message hello heard by 2: 7 9/g)?.length, 2, 'who has heard it is shown where it was said');
inspector.show(told, 9, 4, new Map([[9, { id: 9, type: 'TacticsFire' }]]), undefined);
same(inspector.element.textContent.match(/saw 1 changed, 0 gone; heard 1Radio channel 1 of 7 at 3: hello/)?.length, 1, 'what was heard is shown with its words');

// A table of ten thousand rows
const list = new lists.List('many', [{ title: 'n', width: '5em', right: true, value: (row) => row.n }, { title: 'name', width: '1fr', value: (row) => row.name }], { by: 0, down: true });
document.body.append(list.element);
list.frame.style.height = '200px';
const rows = Array.from({ length: 10000 }, (_, n) => ({ n: (n * 7919) % 10000, name: `N1.component${n}` }));
list.set(rows);
const began = performance.now();
for (let n = 0; n < 10; n += 1) list.set(rows);
const listed = (performance.now() - began) / 10;
same([list.pool.length < 60, list.body.style.height, list.pool[0].cells[0].textContent], [true, '260000px', '9999'], 'only what is seen is there');
list.frame.scrollTop = 26 * 5000;
list.show();
same(list.pool.some(({ row }) => row.n === 4999), true, 'what is scrolled to is there');
list.filter = 'component123';
list.set(rows);
same(list.seen.length, 11, 'a filter');
list.element.remove();
return { checks, wrong, listed };
