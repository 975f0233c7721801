// The colours of the community's viewers. Pure.

export const ROAD = 'rgb(185,185,185)';
export const WALL = 'rgb(30,30,30)';
export const PASSAGE = 'rgb(120,120,120)';
export const BLOCKADE = 'rgb(0,0,0)';

/** Fieryness 0 to 8. @type {Array<string|null>} */
export const FIRE = [null, 'rgba(176,176,56,0.5)', 'rgba(204,122,50,0.5)', 'rgba(160,52,52,0.5)', 'rgba(50,120,130,0.5)',
  'rgba(100,140,210,0.5)', 'rgba(100,70,190,0.5)', 'rgba(80,60,140,0.5)', 'rgba(0,0,0,0.5)'];
/** Words for it. */
export const FIRE_WORDS = ['none', 'heating', 'burning', 'inferno', 'water damage', 'minor damage', 'moderate damage', 'severe damage', 'burnt out'];

/** @type {Record<string, [number, number, number]>} */
const HUMAN = { Civilian: [0, 255, 0], TacticsFire: [255, 0, 0], TacticsPolice: [0, 0, 255], TacticsAmbulance: [255, 255, 255] };

/** Grey of a building. @param {number} [broken] 0 to 100 */
export function building(broken = 0) {
  const grey = Math.round(135 - Math.min(100, Math.max(0, broken)) / 2);
  return `rgb(${grey},${grey},${grey})`;
}

/**
 * A human: darker by half below 10000, again below 7500, again below 1000; the dead are black.
 * @param {string} type
 * @param {number} [hp]
 */
export function human(type, hp = 10000) {
  if (hp <= 0) return 'rgb(0,0,0)';
  let part = 1;
  for (const limit of [10000, 7500, 1000]) if (hp < limit) part /= 2;
  const [r, g, b] = (HUMAN[type] ?? [255, 255, 0]).map((value) => Math.round(value * part));
  return `rgb(${r},${g},${b})`;
}

/** Millimetres. @param {string} type */
export function radius(type) {
  return type === 'Civilian' ? 1200 : 1500;
}

/** Signs on the map: a letter, its colour and that of its ground. @type {Record<string, [string, string, string]>} */
export const SIGNS = {
  Refuge: ['R', '#fff', '#0b7a3e'], ControlFire: ['F', '#fff', '#b3261e'], ControlPolice: ['P', '#fff', '#1b4fb8'],
  ControlAmbulance: ['A', '#b3261e', '#fff'], Hydrant: ['h', '#fff', '#2f6f9f'], GasStation: ['G', '#000', '#e6b800'],
};
