// Elements out of plain values. Texts become text nodes, never HTML: what a collection holds cannot run here.

const SVG = "http://www.w3.org/2000/svg";

/** Return the element of the page with an id. */
export const at = (id) => document.getElementById(id);

/**
 * Make an HTML element.
 *
 * @param {string} name such as "td", or "td.number" with a class
 * @param {object} [given] attributes; `on` holds listeners; what is null, undefined or false is left out
 * @param {...(Node|string|number|null)} inside children
 */
export function make(name, given = {}, ...inside) {
  const [tag, ...classes] = name.split(".");
  return filled(document.createElement(tag), classes, given, inside);
}

/** Make an SVG element, as `make`. */
export function draw(name, given = {}, ...inside) {
  const [tag, ...classes] = name.split(".");
  return filled(document.createElementNS(SVG, tag), classes, given, inside);
}

/** Replace what an element holds. */
export function put(element, ...inside) {
  element.replaceChildren(...inside.flat().filter((one) => one !== null && one !== undefined));
  return element;
}

function filled(element, classes, given, inside) {
  if (classes.length) element.classList.add(...classes);
  for (const [name, value] of Object.entries(given)) {
    if (name === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...inside.flat().filter((one) => one !== null && one !== undefined).map((one) => (typeof one === "number" ? String(one) : one)));
  return element;
}
