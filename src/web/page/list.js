// A table of any length: only the rows that are seen are elements.

import { fill, h } from './dom.js';

/** Rows beyond what is seen. */
const MARGIN = 8;
const ROW_HEIGHT = 26;

/**
 * @template T
 * @typedef {{title: string, value: (row: T) => string|number, text?: (row: T) => string, right?: boolean, width: string, wide?: boolean}} Column
 */

/** @template T */
export class List {
  /**
   * @param {string} label
   * @param {Column<T>[]} columns
   * @param {{by?: number, down?: boolean, tie?: (row: T) => string|number, click?: (row: T) => void, empty?: string}} [how] `tie` orders, always upwards, rows that are equal
   */
  constructor(label, columns, { by = 0, down = false, tie = columns[0].value, click, empty = 'none' } = {}) {
    this.columns = columns;
    this.by = by;
    this.down = down;
    this.tie = tie;
    this.click = click;
    this.empty = empty;
    /** @type {T[]} */
    this.rows = [];
    this.filter = '';
    /** @type {T[]} */
    this.seen = [];
    const grid = columns.map(({ width }) => (/^[\d.]+fr$/.test(width) ? `minmax(7em, ${width})` : width)).join(' ');
    const least = columns.reduce((sum, { width }) => sum + (width.includes('fr') ? Number(/([\d.]+)em/.exec(width)?.[1] ?? 7) : parseFloat(width)) + 0.7, 1);
    this.head = h('div', { class: 'line head', role: 'row' });
    this.head.style.gridTemplateColumns = grid;
    this.body = h('div', { class: 'lines', role: 'rowgroup' });
    this.frame = h('div', { class: 'frame', tabIndex: 0, onscroll: () => this.show() }, this.body);
    this.element = h('div', { class: 'list', role: 'table', 'aria-label': label }, this.head, this.frame);
    this.grid = grid;
    this.element.style.setProperty('--least', `${least}em`);
    /** @type {any[]} */
    this.pool = [];
    this.heads();
  }

  heads() {
    fill(this.head, this.columns.map(({ title, right }, n) => h('button', { type: 'button', role: 'columnheader', class: right ? 'right' : '',
      'aria-sort': n !== this.by ? 'none' : this.down ? 'descending' : 'ascending',
      onclick: () => {
        this.down = this.by === n ? !this.down : Boolean(right);
        this.by = n;
        this.heads();
        this.set(this.rows);
      } }, title, n === this.by ? (this.down ? ' ↓' : ' ↑') : '')));
  }

  /** @param {T[]} rows */
  set(rows) {
    this.rows = rows;
    const { value } = this.columns[this.by];
    const words = this.filter.toLowerCase();
    const text = (/** @type {T} */ row) => this.columns.map((column) => (column.text ?? column.value)(row)).join(' ').toLowerCase();
    const seen = words === '' ? [...rows] : rows.filter((row) => text(row).includes(words));
    const sign = this.down ? -1 : 1;
    const order = (/** @type {string|number} */ a, /** @type {string|number} */ b) => (a < b ? -1 : a > b ? 1 : 0);
    this.seen = seen.map((row) => ({ row, key: value(row), tie: this.tie(row) }))
      .sort((a, b) => sign * order(a.key, b.key) || order(a.tie, b.tie)).map(({ row }) => row);
    this.element.setAttribute('aria-rowcount', String(this.seen.length));
    this.body.style.height = `${Math.max(1, this.seen.length) * ROW_HEIGHT}px`;
    this.show();
  }

  /** The rows that are seen are written into the elements that there are. */
  show() {
    const first = Math.max(0, Math.floor(this.frame.scrollTop / ROW_HEIGHT) - MARGIN);
    const count = Math.min(this.seen.length - first, Math.ceil((this.frame.clientHeight || 400) / ROW_HEIGHT) + 2 * MARGIN);
    if (this.seen.length === 0) {
      fill(this.body, h('div', { class: 'line none' }, this.empty));
      this.pool = [];
      return;
    }
    if (this.pool.length === 0) this.body.textContent = '';
    while (this.pool.length < count) {
      const cells = this.columns.map(({ right }) => h('span', { role: 'cell', class: right ? 'right' : '' }));
      const line = h('div', { class: 'line', role: 'row' }, cells);
      line.style.gridTemplateColumns = this.grid;
      const entry = { line, cells, row: /** @type {any} */ (undefined) };
      if (this.click) {
        line.classList.add('clickable');
        line.tabIndex = 0;
        line.addEventListener('click', () => this.click?.(entry.row));
        line.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => event.key === 'Enter' && this.click?.(entry.row));
      }
      this.pool.push(entry);
      this.body.append(line);
    }
    while (this.pool.length > Math.max(0, count)) this.pool.pop()?.line.remove();
    this.pool.forEach((entry, n) => {
      const row = this.seen[first + n];
      entry.row = row;
      entry.line.style.transform = `translateY(${(first + n) * ROW_HEIGHT}px)`;
      entry.line.setAttribute('aria-rowindex', String(first + n + 1));
      this.columns.forEach((column, at) => {
        const text = String((column.text ?? column.value)(row));
        if (entry.cells[at].textContent !== text) {
          entry.cells[at].textContent = text;
          entry.cells[at].title = text;
        }
      });
    });
  }
}

/** A field that filters lists. @param {string} label @param {List<any>[]} lists */
export function filterOf(label, lists) {
  const field = h('input', { type: 'search', placeholder: 'filter', 'aria-label': label, oninput: () => {
    for (const list of lists) {
      list.filter = field.value;
      list.frame.scrollTop = 0;
      list.set(list.rows);
    }
  } });
  return field;
}
