// Where the milliseconds of a search went: its phases in a row, beside the budget that it had.

import { draw, make, put } from "./dom.js";
import { ms } from "./format.js";
import { isByMaxsim } from "./ranks.js";

const PHASES = [
  ["tokenizeMs", "Tokenize", "until the first texts were tokens"],
  ["queueMs", "Wait", "for a slot"],
  ["inferMs", "Run models", "until the last text was run, or the deadline came near"],
  ["retrieveMs", "Look up", "candidates in the indexes, and their texts"],
];
const HEIGHT = 14;
const WIDTH = 1000;

/**
 * Return a search's phases with what lies between and around them.
 *
 * @param {object} timing a shortlist.v1.Timing
 * @param {number} tookMs as the browser waited
 */
export function phases(timing, tookMs) {
  const total = timing.totalMs ?? 0;
  const found = PHASES.map(([field, name, what]) => ({ key: field, name, what, ms: timing[field] ?? 0 }));
  const rest = total - found.reduce((sum, one) => sum + one.ms, 0);
  found.push({ key: "rest", name: "Else", what: "in the server: checks, order, the answer", ms: Math.max(0, rest) });
  found.push({ key: "way", name: "On the way", what: "to the browser and back", ms: Math.max(0, tookMs - total) });
  return found;
}

/** Show where the time went. */
export function show(figure, answer, tookMs, budgetMs) {
  const timing = answer.timing ?? {};
  const found = phases(timing, tookMs);
  const whole = Math.max(tookMs, timing.totalMs ?? 0, budgetMs, 1);
  const late = answer.maxsimScored ? `, late interaction ${ms(timing.maxsimMs ?? 0)}` : "";
  const two = isByMaxsim(answer) ? "" : `, stage two ${ms(timing.rerankMs ?? 0)}`;
  const stages = `Stage one ${ms((timing.embedMs ?? 0) + (timing.retrieveMs ?? 0))}${late}${two}`;
  const head = make("figcaption", {}, make("h2", {}, "Where the time went"), make("p", {}, `${stages}, ${ms(tookMs)} in all`));
  put(figure, head, bar(found, whole, budgetMs), legend(found));
}

function bar(found, whole, budgetMs) {
  const wide = (value) => (value / whole) * WIDTH;
  let left = 0;
  const parts = found.map((one) => {
    const part = draw(`rect.${one.key}`, { x: left, y: 0, width: Math.max(0, wide(one.ms) - 1.5), height: HEIGHT, rx: 1.5 });
    left += wide(one.ms);
    return part;
  });
  if (budgetMs) parts.push(draw("line.budget", { x1: wide(budgetMs) - 1, x2: wide(budgetMs) - 1, y1: -3, y2: HEIGHT + 3 }));
  return draw("svg", { viewBox: `0 -3 ${WIDTH} ${HEIGHT + 6}`, preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" }, parts);
}

function legend(found) {
  return make(
    "dl.legend",
    {},
    found.map((one) =>
      make("div", { title: one.what }, make("dt", {}, make(`span.key.${one.key}`, { "aria-hidden": "true" }), one.name), make("dd", {}, ms(one.ms))),
    ),
  );
}
