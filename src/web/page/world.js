// Worlds: what entities are after a timestep, from changes; and the numbers of a world. Pure.

/**
 * @typedef {{x: number, y: number}} Point
 * @typedef {{id: number, type: string, x?: number, y?: number, position?: number, hp?: number, damage?: number, buried?: number,
 *   travel?: number, board?: number, water?: number, temp?: number, broken?: number, fiery?: number, repairCost?: number,
 *   history?: Point[], blockades?: number[], apexes?: Point[], created?: boolean, deleted?: boolean, [more: string]: any}} Entity
 * @typedef {{id: number, type: string, path?: number[], x?: number, y?: number, channel?: number, target?: number, water?: number,
 *   messageSize?: number, [more: string]: any}} Action
 * @typedef {Map<number, Entity>} World
 * @typedef {{time: number, score: number, alive: number, dead: number, buried: number, rescued: number, civilians: number,
 *   burning: number, blockades: number, beds: number, taken: number, types: Record<string, {alive: number, dead: number}>}} Numbers
 */

/** Those that move. */
export const HUMANS = new Set(['Civilian', 'TacticsAmbulance', 'TacticsFire', 'TacticsPolice']);

/** A world from a list of whole entities. @param {Entity[]} entities @returns {World} */
export function worldOf(entities) {
  return new Map(entities.map((entity) => [entity.id, entity]));
}

/**
 * The world after changes. Entities that have not changed are the same objects in both; the earlier world stays as it is.
 * Of what is absent in a change nothing is said; nil, or an empty list, has become undefined.
 * @param {World} world
 * @param {Entity[]} changes
 * @returns {World}
 */
export function after(world, changes) {
  const next = new Map(world);
  for (const change of changes) {
    if (change.deleted) {
      next.delete(change.id);
      continue;
    }
    /** @type {Record<string, any>} */
    const entity = { ...next.get(change.id), ...change };
    delete entity.created;
    for (const key of Object.keys(change)) {
      const value = entity[key];
      if (value === null || (Array.isArray(value) && value.length === 0)) delete entity[key];
    }
    next.set(change.id, /** @type {Entity} */ (entity));
  }
  return next;
}

/**
 * The score of RSL21: the living times exp(-5 (1 - sum of hp / (10000 x civilians))).
 * @param {number} living
 * @param {number} hp
 * @param {number} civilians
 */
export function score(living, hp, civilians) {
  return civilians === 0 ? 0 : living * Math.exp(-5 * (1 - hp / (10000 * civilians)));
}

/**
 * The numbers of a world.
 * @param {World} world
 * @param {number} time
 * @param {number} [told] the score as the server has it
 * @returns {Numbers}
 */
export function numbersOf(world, time, told) {
  /** @type {Numbers} */
  const numbers = { time, score: 0, alive: 0, dead: 0, buried: 0, rescued: 0, civilians: 0, burning: 0, blockades: 0, beds: 0, taken: 0, types: {} };
  let hp = 0;
  let living = 0;
  for (const entity of world.values()) {
    if (entity.type === 'Refuge') {
      numbers.beds += entity.bedCapacity ?? 0;
      numbers.taken += entity.occupiedBeds ?? 0;
    }
    if (entity.type === 'Blockade') numbers.blockades += 1;
    else if (HUMANS.has(entity.type)) {
      const lives = (entity.hp ?? 1) > 0;
      const of = (numbers.types[entity.type] ??= { alive: 0, dead: 0 });
      of[lives ? 'alive' : 'dead'] += 1;
      numbers[lives ? 'alive' : 'dead'] += 1;
      if (lives && (entity.buried ?? 0) > 0) numbers.buried += 1;
      if (entity.type === 'Civilian') {
        numbers.civilians += 1;
        hp += entity.hp ?? 0;
        if (lives) living += 1;
        if (lives && world.get(entity.position ?? -1)?.type === 'Refuge') numbers.rescued += 1;
      }
    } else if ((entity.fiery ?? 0) >= 1 && (entity.fiery ?? 0) <= 3) numbers.burning += 1;
  }
  numbers.score = told ?? score(living, hp, numbers.civilians);
  return numbers;
}

/**
 * Where a human is: aboard an ambulance it is where that is.
 * @param {World} world
 * @param {Entity} human
 * @returns {Point|undefined}
 */
export function placeOf(world, human) {
  const carrier = world.get(human.position ?? -1);
  if (carrier?.type === 'TacticsAmbulance' && carrier !== human) return placeOf(world, { ...carrier, position: undefined });
  return human.x === undefined || human.y === undefined ? undefined : { x: human.x, y: human.y };
}

/**
 * Where a human is between two worlds: the part of the way along its history, as far as `part` (0 to 1) says.
 * @param {World|undefined} before
 * @param {World} world
 * @param {Entity} human
 * @param {number} part
 * @returns {Point|undefined}
 */
export function placeBetween(before, world, human, part) {
  const carrier = world.get(human.position ?? -1);
  const moves = carrier?.type === 'TacticsAmbulance' && carrier !== human ? carrier : human;
  const end = placeOf(world, moves);
  if (end === undefined || part >= 1 || before === undefined) return end;
  const earlier = before.get(moves.id);
  const start = earlier && placeOf(before, earlier);
  if (start === undefined || (start.x === end.x && start.y === end.y && !moves.history)) return end;
  return along([start, ...(moves.history ?? []), end], part);
}

/**
 * The point at a part of the length of a line.
 * @param {Point[]} line
 * @param {number} part
 * @returns {Point}
 */
export function along(line, part) {
  let whole = 0;
  for (let n = 1; n < line.length; n += 1) whole += Math.hypot(line[n].x - line[n - 1].x, line[n].y - line[n - 1].y);
  let left = whole * Math.min(1, Math.max(0, part));
  for (let n = 1; n < line.length; n += 1) {
    const [from, to] = [line[n - 1], line[n]];
    const length = Math.hypot(to.x - from.x, to.y - from.y);
    if (length >= left && length > 0) return { x: from.x + (to.x - from.x) * left / length, y: from.y + (to.y - from.y) * left / length };
    left -= length;
  }
  return line[line.length - 1];
}
