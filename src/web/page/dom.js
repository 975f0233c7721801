// What views are made with: elements, messages, dialogs.

/**
 * Makes an element. Keys of `props`: `on*` are listeners, `class` and `data-*` and `aria-*` attributes, others properties.
 * @param {string} tag
 * @param {Record<string, any>} [props]
 * @param {...(Node|string|number|null|undefined|false|Array<any>)} children
 * @returns {any}
 */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null) continue;
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (key === 'class' || key === 'for' || key === 'role' || key.includes('-')) element.setAttribute(key, String(value));
    else /** @type {any} */ (element)[key] = value;
  }
  append(element, children);
  return element;
}

/** @param {Element} element @param {Array<any>} children */
function append(element, children) {
  for (const child of children) {
    if (Array.isArray(child)) append(element, child);
    else if (child !== null && child !== undefined && child !== false) element.append(child);
  }
}

/**
 * Puts these in the place of all children.
 * @param {Element} element
 * @param {...any} children
 */
export function fill(element, ...children) {
  element.textContent = '';
  append(element, children);
}

/** Sets a text if it is another one: what has not changed is not touched. @param {Element} element @param {any} text */
export function put(element, text) {
  const wanted = String(text);
  if (element.textContent !== wanted) element.textContent = wanted;
}

/**
 * Shows a message for a while.
 * @param {string} text
 * @param {'note'|'error'} [kind]
 */
export function note(text, kind = 'note') {
  const place = document.getElementById('notes');
  if (!place) return;
  const line = h('div', { class: `note ${kind}` }, text, h('button', { type: 'button', 'aria-label': 'dismiss', onclick: () => line.remove() }, '×'));
  place.append(line);
  while (place.childElementCount > 4) place.firstElementChild?.remove();
  setTimeout(() => line.remove(), kind === 'error' ? 15000 : 5000);
}

/** Runs what a button is for; a failure is shown. @param {() => Promise<any>} what */
export async function attempt(what) {
  try {
    return await what();
  } catch (error) {
    note(error instanceof Error ? error.message : String(error), 'error');
    return undefined;
  }
}

/**
 * A button.
 * @param {string} text
 * @param {() => any} act
 * @param {Record<string, any>} [props]
 */
export function button(text, act, props) {
  return h('button', { type: 'button', onclick: () => attempt(async () => act()), ...props }, text);
}

/**
 * Asks in a dialog; the answer is what `read` says of the form, or nothing where it was left.
 * @template T
 * @param {string} title
 * @param {Array<any>} content
 * @param {string} yes
 * @param {(form: HTMLFormElement) => T} read
 * @returns {Promise<T|undefined>}
 */
export function ask(title, content, yes, read) {
  return new Promise((resolve) => {
    /** @type {T|undefined} */
    let answer;
    const form = h('form', { onsubmit: (/** @type {Event} */ event) => {
      event.preventDefault();
      answer = read(form);
      dialog.close();
    } }, h('h2', {}, title), ...content, h('p', { class: 'row end' },
      h('button', { type: 'button', onclick: () => dialog.close() }, 'Cancel'),
      h('button', { type: 'submit', class: 'first' }, yes)));
    const dialog = h('dialog', { 'aria-label': title, onclose: () => { dialog.remove(); resolve(answer); } }, form);
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Gives a file to the user. @param {string} name @param {Blob} blob */
export function download(name, blob) {
  const link = h('a', { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** A colour of the style sheet. @param {string} name */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** Puts a text where it can be pasted from. Only a page of this machine, or one over TLS, may do that the new way. @param {string} text */
export async function copy(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
  } else {
    const field = h('textarea', { value: text, readOnly: true, class: 'copied' });
    (document.querySelector('dialog[open]') ?? document.body).append(field);
    field.select();
    const done = document.execCommand('copy');
    field.remove();
    if (!done) throw new Error('this browser does not let the page copy; mark the text and copy it yourself');
  }
  note('copied');
}
