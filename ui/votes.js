// Thumbs: the two buttons that judge a document, wherever it is seen.

import { draw, make } from "./dom.js";

const HAND = "M2 8h3v7H2zM5 8l3-6.500c1.200 0 2 .800 2 2V6.500h3.200c1 0 1.700.900 1.500 1.900l-1 5.200c-.100.800-.800 1.400-1.600 1.400H5";

/** Return the buttons for a document; one that is in a table is reached by arrows, not by Tab. */
export function buttons(name, given = {}) {
  return [[1, "Relevant"], [0, "Not relevant"]].map(([grade, told]) =>
    make("button.vote", { type: "button", "data-grade": grade, "aria-pressed": "false", "aria-label": `${told}: ${name}`, title: told, ...given }, thumb()),
  );
}

/** Show in the buttons how their document is judged: above 0, 0, or null. */
export function mark(element, grade) {
  for (const button of element.querySelectorAll("button[data-grade]"))
    button.setAttribute("aria-pressed", String(grade !== null && grade > 0 === (button.dataset.grade === "1")));
}

/** Draw a thumb that points up; the style turns the other one round. */
function thumb() {
  return draw("svg.thumb", { viewBox: "0 0 17 17", "aria-hidden": "true", focusable: "false" }, draw("path", { d: HAND }));
}
