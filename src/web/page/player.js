// The clock of what is shown: follows the live edge, or plays, or stands. Pure but for the time that it is told.

/**
 * `live` is where it happens, `last` the last timestep that can be shown, `end` the last that is planned.
 * @typedef {{live: number, stepMs: number, first: number, last: number, end: number}} Edge
 */

/** Steps behind the live edge from where on it is jumped to. */
const JUMP = 4;

export const SPEEDS = [0.25, 0.5, 1, 2, 4, 8, 16, 32];

export class Player {
  constructor() {
    /** The time that is shown; between two timesteps while things move. */
    this.head = 0;
    this.follows = true;
    this.plays = true;
    this.speed = 1;
  }

  /** The timestep that is shown, and how much of the way to it has been gone. */
  get shown() {
    const time = Math.ceil(this.head - 1e-6);
    return { time, part: this.head >= time ? 1 : this.head - (time - 1) };
  }

  /**
   * Time goes on. `can` says whether a timestep can be shown; where not, the clock waits.
   * @param {number} ms since the last call
   * @param {Edge} edge
   * @param {(time: number) => boolean} can
   */
  go(ms, edge, can) {
    if (!this.plays) return;
    const target = this.follows ? edge.live : edge.last;
    const behind = target - this.head;
    if (behind <= 0) {
      if (behind < 0 && this.follows) this.head = target;
      return;
    }
    if (this.follows && behind > JUMP) {
      this.head = target - 1;
      return;
    }
    const hurry = this.follows ? Math.max(1, behind) : this.speed;
    const next = Math.min(target, this.head + ms * hurry / edge.stepMs);
    // No timestep is passed over.
    const reach = Math.ceil(this.head + 1e-6);
    this.head = can(Math.ceil(next - 1e-6)) ? next : can(reach) ? Math.min(next, reach) : this.head;
    if (!this.follows && this.head >= edge.live && edge.live >= edge.last) this.follows = true;
  }

  /** @param {number} time @param {Edge} edge */
  seek(time, edge) {
    this.head = Math.min(Math.max(edge.first, Math.round(time)), edge.last);
    this.follows = false;
    this.plays = false;
  }

  /** @param {number} steps @param {Edge} edge */
  step(steps, edge) {
    this.seek(this.shown.time + steps, edge);
  }

  /** To where it happens. */
  toLive() {
    this.follows = true;
    this.plays = true;
  }

  /** Plays or stands. @param {Edge} edge */
  toggle(edge) {
    this.plays = !this.plays;
    if (!this.plays) {
      this.head = this.shown.time;
      this.follows = false;
    } else if (this.head >= edge.last && edge.last > edge.live) {
      this.head = edge.first;
    } else if (this.head >= edge.live) {
      this.follows = true;
    }
  }
}
