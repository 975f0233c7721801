// The map: a camera, layers that are drawn only when what they show has changed, and what lies under a point.

import { Ground, actions, blockades, chosen, fires, histories, humans, humansOf, seen, signs } from './paint.js';
import { HUMANS, placeBetween } from './world.js';

/** @typedef {import('./world.js').World} World @typedef {import('./world.js').Point} Point
 * @typedef {{time: number, part: number, world: World|undefined, before: World|undefined, commands: import('./world.js').Action[],
 *   chosen: number|undefined, seen: number[], layers: Record<string, boolean>}} Scene */

/** Redrawing the ground may take so many milliseconds of each frame while the camera moves; beyond it, the old picture is moved. */
const QUICK_MS = 10;
const SETTLED_MS = 90;

export class MapView {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.to = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d', { alpha: false }));
    this.base = new Layer();
    this.middle = new Layer();
    /** @type {Ground|undefined} */
    this.ground = undefined;
    this.box = { x: 0, y: 0, width: 1, height: 1 };
    this.camera = { x: 0, y: 0, scale: 0.001 };
    this.isFitted = true;
    this.background = '#222';
    this.movedAt = 0;
    this.dirty = true;
    this.look = 0;
    /** @type {{world: World|undefined, humans: any[]}} */
    this.order = { world: undefined, humans: [] };
    /** What the last picture was of. @type {any} */
    this.drawn = {};
  }

  /** Where the map does not say where it lies, its areas do. @param {any} map */
  setMap(map) {
    this.ground = new Ground(map.entities);
    let [x, y, right, top] = [map.x ?? Infinity, map.y ?? Infinity, -Infinity, -Infinity];
    for (const { edges } of map.entities) {
      for (const { start } of edges) {
        x = Math.min(x, start.x);
        y = Math.min(y, start.y);
        right = Math.max(right, start.x);
        top = Math.max(top, start.y);
      }
    }
    if (!Number.isFinite(x)) [x, y] = [0, 0];
    if (!Number.isFinite(right)) [right, top] = [x + (map.width || 0), y + (map.height || 0)];
    this.box = { x, y, width: Math.max(1, right - x), height: Math.max(1, top - y) };
    this.fit();
  }

  /** A map without areas is as large as where people are. @param {World} world */
  setPeople(world) {
    let [x, y, right, top] = [Infinity, Infinity, -Infinity, -Infinity];
    for (const entity of world.values()) {
      if (entity.x === undefined || entity.y === undefined) continue;
      [x, y, right, top] = [Math.min(x, entity.x), Math.min(y, entity.y), Math.max(right, entity.x), Math.max(top, entity.y)];
    }
    if (!Number.isFinite(x)) return;
    this.box = { x: x - 10000, y: y - 10000, width: right - x + 120000, height: top - y + 20000 };
    if (this.isFitted) this.fit();
  }

  /** The canvas gets the size that it is shown in. Whether that is another one. */
  resize() {
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    const { clientWidth, clientHeight } = this.canvas;
    const [width, height] = [Math.max(1, Math.round(clientWidth * ratio)), Math.max(1, Math.round(clientHeight * ratio))];
    if (this.canvas.width === width && this.canvas.height === height) return false;
    [this.canvas.width, this.canvas.height] = [width, height];
    this.ratio = ratio;
    if (this.isFitted) this.fit();
    this.dirty = true;
    return true;
  }

  /** All of the map. */
  fit() {
    const { width, height } = this.canvas;
    const scale = 0.95 * Math.min(width / this.box.width, height / this.box.height);
    this.camera = { x: this.box.x + this.box.width / 2, y: this.box.y + this.box.height / 2, scale };
    this.isFitted = true;
    this.moved();
  }

  moved() {
    this.movedAt = performance.now();
    this.dirty = true;
  }

  /** @param {number} dx @param {number} dy pixels of the page */
  pan(dx, dy) {
    const ratio = this.ratio ?? 1;
    this.camera.x -= dx * ratio / this.camera.scale;
    this.camera.y += dy * ratio / this.camera.scale;
    this.isFitted = false;
    this.moved();
  }

  /** Nearer by a factor; the point of the page stays where it is. @param {number} factor @param {number} [px] @param {number} [py] */
  zoom(factor, px = this.canvas.clientWidth / 2, py = this.canvas.clientHeight / 2) {
    const least = 0.2 * Math.min(this.canvas.width / this.box.width, this.canvas.height / this.box.height);
    const scale = Math.min(Math.max(this.camera.scale * factor, least), 0.5);
    const at = this.point(px, py);
    this.camera.scale = scale;
    const now = this.point(px, py);
    this.camera.x += at.x - now.x;
    this.camera.y += at.y - now.y;
    this.isFitted = false;
    this.moved();
  }

  /** Moves so that this is in the middle. @param {Point} at */
  centre({ x, y }) {
    if (Math.abs(x - this.camera.x) * this.camera.scale < 1 && Math.abs(y - this.camera.y) * this.camera.scale < 1) return;
    [this.camera.x, this.camera.y] = [x, y];
    this.isFitted = false;
    this.moved();
  }

  /** Millimetres of a point of the page. @param {number} px @param {number} py @returns {Point} */
  point(px, py) {
    const ratio = this.ratio ?? 1;
    const { x, y, scale } = this.camera;
    return { x: x + (px * ratio - this.canvas.width / 2) / scale, y: y - (py * ratio - this.canvas.height / 2) / scale };
  }

  /** The pixel of the canvas of a point in millimetres. @param {Point} at */
  pixel(at) {
    const { x, y, scale } = this.camera;
    return { x: this.canvas.width / 2 + (at.x - x) * scale, y: this.canvas.height / 2 - (at.y - y) * scale };
  }

  /** Draws what differs from the last picture. Whether anything did. @param {Scene} scene */
  draw(scene) {
    this.resize();
    const { ground, drawn } = this;
    const { world, before, part, layers } = scene;
    const same = !this.dirty && drawn.world === world && drawn.part === part && drawn.chosen === scene.chosen
      && drawn.layers === JSON.stringify(layers) && drawn.seen === scene.seen && drawn.time === scene.time;
    if (same && !this.base.isMoved(this.camera)) return false;
    const now = performance.now();
    const settled = now - this.movedAt > SETTLED_MS;
    const layersNow = JSON.stringify(layers);
    if (ground && drawn.world !== world) {
      const look = ground.look(world);
      if (look !== this.look) this.base.stale = true;
      this.look = look;
    }
    if (drawn.world !== world || drawn.time !== scene.time || drawn.layers !== layersNow || drawn.seen !== scene.seen) this.middle.stale = true;
    this.to.setTransform(1, 0, 0, 1, 0, 0);
    this.to.fillStyle = this.background;
    this.to.fillRect(0, 0, this.canvas.width, this.canvas.height);
    if (ground) {
      this.base.update(this, settled, (to, px) => {
        ground.draw(to, world, px);
        signs(to, ground.areas, px);
      });
      this.base.put(this);
    }
    if (ground && world) {
      this.middle.update(this, settled, (to, px) => {
        fires(to, ground, world);
        if (layers.blockades) blockades(to, world);
        if (layers.history) histories(to, world, px);
        actions(to, ground, world, before, scene.commands, px, layers);
        if (scene.seen.length > 0) seen(to, ground, world, scene.seen, px);
      });
      this.middle.put(this);
      this.aim(this.to);
      const px = 1 / this.camera.scale;
      if (this.order.world !== world) this.order = { world, humans: humansOf(world) };
      humans(this.to, this.order.humans, before, world, part, px * (this.ratio ?? 1), layers);
      if (scene.chosen !== undefined) chosen(this.to, ground, world, scene.chosen, px * (this.ratio ?? 1), before, part, 'rgb(255,0,255)');
    }
    this.drawn = { world, part, chosen: scene.chosen, layers: layersNow, seen: scene.seen, time: scene.time };
    this.dirty = this.base.isMoved(this.camera) || this.middle.isMoved(this.camera);
    return true;
  }

  /** @param {CanvasRenderingContext2D} to */
  aim(to) {
    const { x, y, scale } = this.camera;
    to.setTransform(scale, 0, 0, -scale, this.canvas.width / 2 - x * scale, this.canvas.height / 2 + y * scale);
    to.lineJoin = 'round';
  }

  /** What lies under a point of the page: humans before blockades before areas. @param {number} px @param {number} py @param {Scene} scene */
  under(px, py, { world, before, part }) {
    const at = this.point(px, py);
    const near = 7 * (this.ratio ?? 1) / this.camera.scale;
    if (world) {
      let best = { id: /** @type {number|undefined} */ (undefined), far: Math.max(near, 1500) };
      for (const entity of world.values()) {
        if (!HUMANS.has(entity.type)) continue;
        const place = placeBetween(before, world, entity, part);
        const far = place ? Math.hypot(place.x - at.x, place.y - at.y) : Infinity;
        if (far <= best.far) best = { id: entity.id, far };
      }
      if (best.id !== undefined) return best.id;
      for (const { id, type, apexes } of world.values()) if (type === 'Blockade' && apexes && contains(apexes, at)) return id;
    }
    return this.ground?.areas.find(({ edges }) => contains(edges.map(({ start }) => start), at))?.id;
  }
}

/** A picture that is kept, and the camera that it was made with. */
class Layer {
  constructor() {
    this.canvas = document.createElement('canvas');
    this.to = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext('2d'));
    this.camera = { x: 0, y: 0, scale: 0 };
    this.stale = true;
    this.took = 0;
  }

  /** @param {{x: number, y: number, scale: number}} camera */
  isMoved({ x, y, scale }) {
    return this.camera.x !== x || this.camera.y !== y || this.camera.scale !== scale;
  }

  /** @param {MapView} view @param {boolean} settled @param {(to: CanvasRenderingContext2D, px: number) => void} paint */
  update(view, settled, paint) {
    const { width, height } = view.canvas;
    const resized = this.canvas.width !== width || this.canvas.height !== height;
    const moved = this.isMoved(view.camera);
    if (!this.stale && !resized && !(moved && (settled || this.took < QUICK_MS))) return;
    const began = performance.now();
    if (resized) [this.canvas.width, this.canvas.height] = [width, height];
    this.to.setTransform(1, 0, 0, 1, 0, 0);
    this.to.clearRect(0, 0, width, height);
    view.aim(this.to);
    paint(this.to, (view.ratio ?? 1) / view.camera.scale);
    this.camera = { ...view.camera };
    this.stale = false;
    this.took = performance.now() - began;
  }

  /** Where the camera has moved since, the picture is moved with it. @param {MapView} view */
  put(view) {
    const { width, height } = view.canvas;
    const by = view.camera.scale / this.camera.scale;
    const dx = width / 2 + (this.camera.x - view.camera.x) * view.camera.scale - width / 2 * by;
    const dy = height / 2 - (this.camera.y - view.camera.y) * view.camera.scale - height / 2 * by;
    view.to.setTransform(1, 0, 0, 1, 0, 0);
    if (by === 1) view.to.drawImage(this.canvas, Math.round(dx), Math.round(dy));
    else view.to.drawImage(this.canvas, dx, dy, width * by, height * by);
  }
}

/** Whether a polygon has a point in it. @param {Point[]} polygon @param {Point} at */
export function contains(polygon, at) {
  let inside = false;
  for (let n = 0, before = polygon.length - 1; n < polygon.length; before = n, n += 1) {
    const [a, b] = [polygon[n], polygon[before]];
    if (a.y > at.y !== b.y > at.y && at.x < (b.x - a.x) * (at.y - a.y) / (b.y - a.y) + a.x) inside = !inside;
  }
  return inside;
}
