// Similarity against score: what stage one thought of each candidate beside what stage two says of it.
//
// Scores stand on a scale of logits, since hits are ordered by those; so the line above which the first ten lie is
// straight, and turns as the similarity gets more weight.

import { draw, make, put } from "./dom.js";
import { cosine, score } from "./format.js";
import { way } from "./ranks.js";
import { cutLine, ends, linear, logit, scoreTicks, ticks } from "./scales.js";

const [WIDTH, HEIGHT] = [380, 250];
const [LEFT, RIGHT, TOP, BOTTOM] = [46, 8, 8, 34];
const STRIP = 20; // above the axis, of candidates without a score
const FIRST = 10;

/**
 * Draw the candidates of an answer.
 *
 * @param {Element} figure
 * @param {object[]} rows as `ranks.rows` returns them
 * @param {number} weight how much the similarity counts
 * @param {function(object): void} open what a click on a point does
 */
export function show(figure, rows, weight, open) {
  const scored = rows.filter((row) => row.score !== null);
  const head = make("figcaption", {}, make("h2", {}, "Similarity against score"), make("p", {}, told(rows, scored, weight)));
  if (!scored.length) return put(figure, head);
  const [low, high] = ends(rows.map((row) => row.similarity), 0.1);
  const [least, most] = ends(scored.map((row) => row.logit), 1.5);
  const x = linear(low, high, LEFT, WIDTH - RIGHT);
  const y = linear(least, most, HEIGHT - BOTTOM - (scored.length < rows.length ? STRIP : 0), TOP);
  const level = cutLine(rows, FIRST, weight);
  const points = rows.map((row) => point(row, x(row.similarity), row.score === null ? HEIGHT - BOTTOM - STRIP / 3 : y(row.logit), open));
  const chart = draw(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true", focusable: "false" },
    axes(x, y, [low, high], [least, most]),
    line(level, x, y, [low, high]),
    unread(rows),
    points.reverse(),
  );
  return put(figure, head, chart);
}

function told(rows, scored, weight) {
  if (!scored.length) return "Stage two scored nothing.";
  const counted = weight ? `The similarity counts ${weight} times.` : "The score alone orders.";
  return `${counted}${scored.length > FIRST ? ` Above the line: the first ${FIRST}.` : ""} Each number is in the table.`;
}

function point(row, x, y, open) {
  const name = row.title || row.id;
  const words = `${row.place}. ${name}\nscore ${score(row.score)}, cosine ${cosine(row.similarity)}`;
  const shape = draw(`circle.${way(row)}`, { cx: x.toFixed(1), cy: y.toFixed(1), r: row.place <= FIRST ? 5 : 3.5, "data-id": row.id }, draw("title", {}, words));
  shape.addEventListener("click", () => open(row));
  return shape;
}

function axes(x, y, [low, high], [least, most]) {
  const bottom = HEIGHT - BOTTOM;
  const across = ticks(low, high, 5).map((value) => [
    draw("line.grid", { x1: x(value), x2: x(value), y1: TOP, y2: bottom }),
    draw("text", { x: x(value), y: bottom + 15, "text-anchor": "middle" }, cosine(value)),
  ]);
  const up = scoreTicks(least, most).map((value) => [
    draw("line.grid", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(logit(value)), y2: y(logit(value)) }),
    draw("text", { x: LEFT - 6, y: y(logit(value)) + 4, "text-anchor": "end" }, String(value)),
  ]);
  const names = [
    draw("text.axis", { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 3, "text-anchor": "middle" }, "similarity (cosine)"),
    draw("text.axis", { x: 0, y: 0, "text-anchor": "middle", transform: `translate(10 ${(TOP + bottom) / 2}) rotate(-90)` }, "score"),
  ];
  return [across, up, names].flat(2);
}

/** Name the row of points at the bottom: candidates without a score. */
function unread(rows) {
  if (rows.every((row) => row.score !== null)) return null;
  return draw("text", { x: LEFT - 6, y: HEIGHT - BOTTOM - STRIP / 3 + 4, "text-anchor": "end" }, "unread");
}

function line(level, x, y, [low, high]) {
  if (!level) return null;
  const clip = draw("clipPath", { id: "inside" }, draw("rect", { x: LEFT, y: TOP, width: WIDTH - LEFT - RIGHT, height: HEIGHT - TOP - BOTTOM }));
  return draw("g", {}, clip, draw("line.level", { x1: x(low), y1: y(level(low)), x2: x(high), y2: y(level(high)), "clip-path": "url(#inside)" }));
}
