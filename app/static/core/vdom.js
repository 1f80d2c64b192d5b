// Elements as plain data, and one function that changes the page to match them. Unchanged elements are left alone, so
// that focus, selection and scroll position survive every render.

const SVG = "http://www.w3.org/2000/svg";
const PROPERTIES = new Set(["value", "checked", "disabled", "open", "selected"]);

/**
 * Properties named `on…` are listeners. `style` sets CSS properties. `draw` is called with the element after each
 * render, and `removed` when the element leaves the page. `key` identifies an element among its siblings. All other
 * properties are attributes; null, undefined and false remove an attribute.
 * @typedef {Record<string, any>} Props
 * @typedef {{ tag: string, props: Props, children: Child[] }} Element
 * @typedef {Element | string} Child
 * @typedef {Child | number | null | undefined | false | Content[]} Content
 */

/** The elements that the page shows, by node. @type {WeakMap<globalThis.Node, Child>} */
const shown = new WeakMap();
/** @type {WeakMap<globalThis.Element, Map<string, EventListener>>} */
const listeners = new WeakMap();

/**
 * Makes an element.
 * @param {string} tag
 * @param {Props | null} [props]
 * @param {Content[]} children
 * @returns {Element}
 */
export function h(tag, props, ...children) {
  return { tag, props: props ?? {}, children: flatten(children) };
}

/**
 * Changes `root` so that it contains exactly `children`.
 * @param {globalThis.Element} root
 * @param {...Content} children
 */
export function show(root, ...children) {
  reconcile(root, flatten(children));
}

/** @param {Content[]} children @returns {Child[]} */
function flatten(children) {
  /** @type {Child[]} */
  const flattened = [];
  for (const child of children) {
    if (Array.isArray(child)) flattened.push(...flatten(child));
    else if (typeof child === "number") flattened.push(String(child));
    else if (child !== null && child !== undefined && child !== false) flattened.push(child);
  }
  return flattened;
}

/** @param {globalThis.Element} parent @param {Child[]} wanted */
function reconcile(parent, wanted) {
  const keyed = new Map([...parent.childNodes].map((node) => [keyOf(shown.get(node)), node]));
  let next = parent.firstChild;
  for (const child of wanted) {
    const key = keyOf(child);
    const candidate = key === undefined ? next : keyed.get(key);
    const node = candidate && matches(shown.get(candidate), child) ? candidate : create(child, parent);
    if (node === next) next = next.nextSibling;
    else parent.insertBefore(node, next);
    update(node, child);
  }
  while (next) {
    const after = next.nextSibling;
    callRemoved(next);
    next.remove();
    next = after;
  }
}

/** @param {Child | undefined} child */
const keyOf = (child) => (child === undefined || typeof child === "string" ? undefined : child.props.key);

/** @param {Child | undefined} before @param {Child} wanted */
function matches(before, wanted) {
  if (before === undefined || typeof before === "string" || typeof wanted === "string") {
    return typeof before === "string" && typeof wanted === "string";
  }
  return before.tag === wanted.tag && before.props.key === wanted.props.key;
}

/** @param {Child} child @param {globalThis.Element} parent */
function create(child, parent) {
  if (typeof child === "string") return document.createTextNode(child);
  const space = child.tag === "svg" ? SVG : parent.tagName === "foreignObject" ? null : parent.namespaceURI;
  return space === SVG ? document.createElementNS(SVG, child.tag) : document.createElement(child.tag);
}

/** @param {globalThis.Node} node @param {Child} wanted */
function update(node, wanted) {
  const before = shown.get(node);
  shown.set(node, wanted);
  if (typeof wanted === "string") {
    if (before !== wanted) node.textContent = wanted;
    return;
  }
  const element = /** @type {HTMLElement} */ (node);
  const earlier = before !== undefined && typeof before !== "string" ? before.props : {};
  reconcile(element, wanted.children); // before the properties: a select's value needs its options
  for (const name of Object.keys({ ...earlier, ...wanted.props })) {
    setProperty(element, name, wanted.props[name], earlier[name]);
  }
  wanted.props.draw?.(element);
}

/** @param {HTMLElement} element @param {string} name @param {any} value @param {any} before */
function setProperty(element, name, value, before) {
  if (name === "key" || name === "draw" || name === "removed") return;
  if (name.startsWith("on")) return listen(element, name.slice(2).toLowerCase(), value);
  if (name === "style") {
    for (const [property, text] of Object.entries(value ?? {})) element.style.setProperty(property, String(text));
  } else if (PROPERTIES.has(name)) {
    const field = /** @type {any} */ (element);
    if (field[name] !== value) field[name] = value;
  } else if (value === null || value === undefined || value === false) {
    element.removeAttribute(name);
  } else if (value !== before) {
    element.setAttribute(name, value === true ? "" : String(value));
  }
}

/** @param {HTMLElement} element @param {string} type @param {EventListener | undefined} listener */
function listen(element, type, listener) {
  const all = listeners.get(element) ?? new Map();
  listeners.set(element, all);
  const before = all.get(type);
  if (before === listener) return;
  if (before) element.removeEventListener(type, before);
  if (listener) element.addEventListener(type, listener);
  all.set(type, listener);
}

/** Calls `removed` of an element and of its descendants. @param {globalThis.Node} node */
function callRemoved(node) {
  for (const child of node.childNodes) callRemoved(child);
  const element = shown.get(node);
  if (element !== undefined && typeof element !== "string") element.props.removed?.(node);
}
