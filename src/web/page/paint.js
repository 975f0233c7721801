// What is drawn how. Each function draws in millimetres, onto a canvas whose camera is set; `px` is the size of a pixel there.

import { BLOCKADE, FIRE, PASSAGE, ROAD, SIGNS, WALL, building, human, radius } from './colours.js';
import { HUMANS, placeBetween, placeOf } from './world.js';

/** @typedef {import('./world.js').World} World @typedef {import('./world.js').Entity} Entity @typedef {import('./world.js').Action} Action
 * @typedef {import('./world.js').Point} Point @typedef {CanvasRenderingContext2D} Canvas
 * @typedef {{id: number, type: string, x: number, y: number, edges: Array<{start: Point, end: Point, adjacent?: number}>}} Area */

/** The ground does not change: its outlines are made once for a map. */
export class Ground {
  /** @param {Area[]} areas */
  constructor(areas) {
    this.areas = areas;
    /** @type {Map<number, Area>} */
    this.byId = new Map(areas.map((area) => [area.id, area]));
    this.roads = new Path2D();
    this.walls = new Path2D();
    this.passages = new Path2D();
    /** @type {Map<number, Path2D>} */
    this.outlines = new Map();
    /** @type {Area[]} */
    this.buildings = [];
    for (const area of areas) {
      const isRoad = area.type === 'Road' || area.type === 'Hydrant';
      const outline = new Path2D();
      area.edges.forEach(({ start, end, adjacent }, n) => {
        if (n === 0) outline.moveTo(start.x, start.y);
        outline.lineTo(end.x, end.y);
        const edge = adjacent === undefined ? this.walls : this.passages;
        edge.moveTo(start.x, start.y);
        edge.lineTo(end.x, end.y);
      });
      outline.closePath();
      if (isRoad) this.roads.addPath(outline);
      else this.buildings.push(area);
      this.outlines.set(area.id, outline);
    }
  }

  /** @param {Canvas} to @param {World|undefined} world @param {number} px */
  draw(to, world, px) {
    to.fillStyle = ROAD;
    to.fill(this.roads);
    /** @type {Map<string, Path2D>} */
    const greys = new Map();
    for (const area of this.buildings) {
      const grey = building(world?.get(area.id)?.broken);
      let path = greys.get(grey);
      if (path === undefined) greys.set(grey, (path = new Path2D()));
      path.addPath(/** @type {Path2D} */ (this.outlines.get(area.id)));
    }
    for (const [grey, path] of greys) {
      to.fillStyle = grey;
      to.fill(path);
    }
    // Where all is small lines are too, or nothing else would be seen.
    to.lineWidth = Math.min(px, 350);
    to.strokeStyle = PASSAGE;
    to.stroke(this.passages);
    to.lineWidth = Math.min(2 * px, 700);
    to.strokeStyle = WALL;
    to.stroke(this.walls);
  }

  /** What of a world changes how the ground looks. @param {World|undefined} world */
  look(world) {
    let look = 0;
    for (const area of this.buildings) look = (Math.imul(look, 31) + (world?.get(area.id)?.broken ?? 0)) | 0;
    return look;
  }
}

/** Burning buildings. @param {Canvas} to @param {Ground} ground @param {World} world */
export function fires(to, ground, world) {
  for (const area of ground.buildings) {
    const colour = FIRE[world.get(area.id)?.fiery ?? 0];
    if (!colour) continue;
    to.fillStyle = colour;
    to.fill(/** @type {Path2D} */ (ground.outlines.get(area.id)));
  }
}

/** @param {Canvas} to @param {World} world */
export function blockades(to, world) {
  to.beginPath();
  for (const { type, apexes } of world.values()) {
    if (type !== 'Blockade' || !apexes || apexes.length < 3) continue;
    to.moveTo(apexes[0].x, apexes[0].y);
    for (let n = 1; n < apexes.length; n += 1) to.lineTo(apexes[n].x, apexes[n].y);
    to.closePath();
  }
  to.fillStyle = BLOCKADE;
  to.fill();
}

/** Signs of places, of the same size whatever the scale. @param {Canvas} to @param {Area[]} areas @param {number} px */
export function signs(to, areas, px) {
  for (const { type, x, y } of areas) {
    const sign = SIGNS[type];
    if (!sign) continue;
    const [letter, colour, ground] = sign;
    const size = type === 'Hydrant' ? 5 : 8;
    disc(to, x, y, Math.max(size * px, 900), ground, 'rgba(0,0,0,0.6)', px);
    label(to, letter, x, y, px, { colour, size: size * 1.4, bold: true, middle: true });
  }
}

/** @param {Canvas} to @param {number} x @param {number} y @param {number} r @param {string} fill @param {string} [rim] @param {number} [px] */
function disc(to, x, y, r, fill, rim, px = 1) {
  to.beginPath();
  to.arc(x, y, r, 0, 2 * Math.PI);
  to.fillStyle = fill;
  to.fill();
  if (rim) {
    to.lineWidth = px;
    to.strokeStyle = rim;
    to.stroke();
  }
}

/**
 * Words, upright whatever the camera.
 * @param {Canvas} to @param {string} text @param {number} x @param {number} y @param {number} px
 * @param {{colour?: string, size?: number, bold?: boolean, middle?: boolean}} [how]
 */
export function label(to, text, x, y, px, { colour = '#fff', size = 11, bold = false, middle = false } = {}) {
  to.save();
  to.translate(x, y);
  to.scale(px, -px);
  to.font = `${bold ? 'bold ' : ''}${size}px system-ui, sans-serif`;
  to.textAlign = middle ? 'center' : 'left';
  to.textBaseline = 'middle';
  if (!middle) {
    to.lineWidth = 3;
    to.strokeStyle = 'rgba(0,0,0,0.7)';
    to.strokeText(text, 8, 0);
  }
  to.fillStyle = colour;
  to.fillText(text, middle ? 0 : 8, middle ? 0.5 : 0);
  to.restore();
}

/** Humans, the injured on top: in this order they are drawn. @param {World} world */
export function humansOf(world) {
  return [...world.values()].filter((entity) => HUMANS.has(entity.type)).sort((a, b) => (b.hp ?? 0) - (a.hp ?? 0));
}

/**
 * @param {Canvas} to @param {Entity[]} humans @param {World|undefined} before @param {World} world @param {number} part
 * @param {number} px @param {{names?: boolean, buried?: boolean}} layers
 */
export function humans(to, humans, before, world, part, px, layers) {
  to.lineWidth = px;
  to.strokeStyle = 'rgba(0,0,0,0.75)';
  for (const entity of humans) {
    const at = placeBetween(before, world, entity, part);
    if (at === undefined) continue;
    const r = Math.max(radius(entity.type), (entity.type === 'Civilian' ? 2.4 : 3) * px);
    to.beginPath();
    to.arc(at.x, at.y, r, 0, 2 * Math.PI);
    to.fillStyle = human(entity.type, entity.hp);
    to.fill();
    to.stroke();
    if (layers.buried && (entity.buried ?? 0) > 0) label(to, `▼${entity.buried}`, at.x, at.y, px, { colour: '#ffd27a', size: 10 });
    else if (layers.names) label(to, String(entity.id), at.x, at.y, px, { size: 10 });
  }
}

/** The way that each has come in this timestep. @param {Canvas} to @param {World} world @param {number} px */
export function histories(to, world, px) {
  to.beginPath();
  for (const entity of world.values()) {
    if (!entity.history || !HUMANS.has(entity.type)) continue;
    entity.history.forEach(({ x, y }, n) => (n === 0 ? to.moveTo(x, y) : to.lineTo(x, y)));
    if (entity.x !== undefined && entity.y !== undefined) to.lineTo(entity.x, entity.y);
  }
  to.lineWidth = 1.5 * px;
  to.strokeStyle = 'rgb(220,30,30)';
  to.stroke();
}

/** @param {Canvas} to @param {Point[]} line @param {string} colour @param {number} px */
function arrows(to, line, colour, px) {
  to.beginPath();
  line.forEach(({ x, y }, n) => (n === 0 ? to.moveTo(x, y) : to.lineTo(x, y)));
  const [from, end] = [line[line.length - 2], line[line.length - 1]];
  const angle = Math.atan2(end.y - from.y, end.x - from.x);
  for (const turn of [2.7, -2.7]) {
    to.moveTo(end.x, end.y);
    to.lineTo(end.x + 7 * px * Math.cos(angle + turn), end.y + 7 * px * Math.sin(angle + turn));
  }
  to.strokeStyle = colour;
  to.lineWidth = 1.2 * px;
  to.stroke();
}

/**
 * What agents do in a timestep.
 * @param {Canvas} to @param {Ground} ground @param {World} world @param {World|undefined} before @param {Action[]} commands @param {number} px
 * @param {{commands?: boolean, radio?: boolean}} layers
 */
export function actions(to, ground, world, before, commands, px, layers) {
  for (const action of commands) {
    // What was done began where the agent stood before.
    const then = before?.has(action.id) ? before : world;
    const agent = then.get(action.id);
    const from = agent && placeOf(then, agent);
    if (!from) continue;
    const target = world.get(action.target ?? -1);
    const aim = (target && placeOf(world, target)) ?? ground.byId.get(action.target ?? -1);
    if (layers.radio && (action.type === 'Radio' || action.type === 'Voice' || action.type === 'Tell')) {
      to.beginPath();
      to.arc(from.x, from.y, Math.max(4000, 9 * px), 0, 2 * Math.PI);
      to.strokeStyle = action.type === 'Radio' ? 'rgb(255,120,220)' : 'rgb(120,220,255)';
      to.lineWidth = 1.5 * px;
      to.stroke();
      const words = action.type === 'Radio' ? `ch ${action.channel ?? '?'}` : action.type.toLowerCase();
      label(to, `${words}${action.messageSize === undefined ? '' : ` ${action.messageSize} B`}`, from.x, from.y - 9 * px, px, { size: 10 });
    }
    if (!layers.commands) continue;
    switch (action.type) {
      case 'Move': {
        const way = (action.path ?? []).map((id) => ground.byId.get(id)).filter((area) => area !== undefined);
        const line = [from, ...way.slice(1)];
        if (action.x !== undefined && action.y !== undefined) line.push(/** @type {any} */ ({ x: action.x, y: action.y }));
        if (line.length > 1) arrows(to, line, 'rgba(255,140,0,0.85)', px);
        break;
      }
      case 'Extinguish':
        if (aim) arrows(to, [from, aim], 'rgb(0,90,255)', 2 * px);
        break;
      case 'LClear':
        disc(to, from.x, from.y, 2200, 'rgba(0,90,255,0.45)');
        break;
      case 'Clear':
        if (action.x !== undefined && action.y !== undefined) clearing(to, from, { x: action.x, y: action.y }, px);
        break;
      case 'Rescue':
        disc(to, from.x, from.y, 2200, 'rgba(255,220,0,0.55)');
        break;
      case 'Load':
      case 'Unload':
        disc(to, from.x, from.y, 2200, 'rgba(255,255,255,0.55)');
        break;
    }
  }
}

/** 10 m x 2.5 m toward a point. @param {Canvas} to @param {Point} from @param {Point} aim @param {number} px */
function clearing(to, from, aim, px) {
  to.save();
  to.translate(from.x, from.y);
  to.rotate(Math.atan2(aim.y - from.y, aim.x - from.x));
  to.fillStyle = 'rgba(0,90,255,0.3)';
  to.strokeStyle = 'rgb(0,90,255)';
  to.lineWidth = px;
  to.fillRect(0, -1250, 10000, 2500);
  to.strokeRect(0, -1250, 10000, 2500);
  to.restore();
}

/** What an agent has seen a change of. @param {Canvas} to @param {Ground} ground @param {World} world @param {number[]} ids @param {number} px */
export function seen(to, ground, world, ids, px) {
  to.strokeStyle = 'rgb(255,0,255)';
  to.lineWidth = 2 * px;
  for (const id of ids) chosen(to, ground, world, id, px, undefined, 1, 'rgb(255,0,255)');
}

/**
 * A line around one entity.
 * @param {Canvas} to @param {Ground} ground @param {World} world @param {number} id @param {number} px
 * @param {World|undefined} before @param {number} part @param {string} colour
 */
export function chosen(to, ground, world, id, px, before, part, colour) {
  to.strokeStyle = colour;
  to.lineWidth = 2 * px;
  const outline = ground.outlines.get(id);
  const entity = world.get(id);
  if (outline) to.stroke(outline);
  else if (entity?.apexes) {
    to.beginPath();
    entity.apexes.forEach(({ x, y }, n) => (n === 0 ? to.moveTo(x, y) : to.lineTo(x, y)));
    to.closePath();
    to.stroke();
  } else if (entity) {
    const at = placeBetween(before, world, entity, part);
    if (!at) return;
    to.beginPath();
    to.arc(at.x, at.y, Math.max(2400, 7 * px), 0, 2 * Math.PI);
    to.stroke();
  }
}
