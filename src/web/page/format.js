// Numbers and times as people read them. Pure.

/** @param {number|null|undefined} n */
export function count(n) {
  if (n === null || n === undefined || Number.isNaN(n)) return '–';
  if (Math.abs(n) < 10000) return String(Math.round(n));
  if (Math.abs(n) < 1e6) return `${(n / 1e3).toFixed(1)}k`;
  return `${(n / 1e6).toFixed(1)}M`;
}

/** @param {number|null|undefined} n bytes */
export function bytes(n) {
  if (n === null || n === undefined || Number.isNaN(n)) return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  let at = 0;
  while (Math.abs(n) >= 1024 && at < units.length - 1) {
    n /= 1024;
    at += 1;
  }
  return `${at === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)} ${units[at]}`;
}

/** @param {number|null|undefined} seconds */
export function span(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return '–';
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

/** The time of day of milliseconds since 1970. @param {number} ms */
export function clock(ms) {
  const at = new Date(ms);
  return at.toLocaleTimeString('en-GB') + '.' + String(at.getMilliseconds()).padStart(3, '0');
}

/** A rate per second. @param {number|null|undefined} n */
export function rate(n) {
  if (n === null || n === undefined || Number.isNaN(n)) return '–';
  return n > 0 && n < 10 ? n.toFixed(1) : count(n);
}

/**
 * A document of XML with a line for each element.
 * @param {string} xml
 */
export function indented(xml) {
  const tokens = xml.match(/<[^>]+>|[^<]+/g) ?? [];
  /** @type {string[]} */
  const lines = [];
  let depth = 0;
  let open = false;
  for (const token of tokens) {
    if (!token.startsWith('<')) {
      if (token.trim() === '') continue;
      if (open) lines[lines.length - 1] += token.trim();
      else lines.push('  '.repeat(depth) + token.trim());
      continue;
    }
    if (token.startsWith('</')) {
      depth = Math.max(0, depth - 1);
      if (open) lines[lines.length - 1] += token;
      else lines.push('  '.repeat(depth) + token);
      open = false;
    } else {
      lines.push('  '.repeat(depth) + token);
      const single = token.endsWith('/>') || token.startsWith('<?') || token.startsWith('<!');
      if (!single) depth += 1;
      open = !single;
    }
  }
  return lines.join('\n');
}

/** A row of a table with commas. @param {Array<any>} values */
export function csv(values) {
  return values.map((value) => {
    const text = String(value ?? '');
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }).join(',') + '\n';
}
