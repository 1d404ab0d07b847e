// From values to places in a drawing. Pure.

/** Return the logit of a score between 0 and 1, both left out. */
export const logit = (score) => Math.log(score / (1 - score));

/** Return a function from [low, high] to [from, to]. */
export function linear(low, high, from, to) {
  const width = high - low || 1;
  return (value) => from + ((value - low) / width) * (to - from);
}

/** Return the ends of values with room on both sides, at least `least` apart. */
export function ends(values, least) {
  const low = Math.min(...values);
  const high = Math.max(...values);
  const room = Math.max((high - low) * 0.06, (least - (high - low)) / 2, 0);
  return [low - room, high + room];
}

const SCORES = [
  ...[0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5],
  ...[0.65, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.999_9],
];

/** Return the scores to write beside an axis of logits, no more than `most`, spread over it. */
export function scoreTicks(low, high, most = 5) {
  const inside = SCORES.filter((score) => logit(score) >= low && logit(score) <= high);
  const step = Math.ceil(inside.length / most);
  return inside.filter((_, index) => index % step === 0);
}

/** Return round values inside [low, high], about `most` of them. */
export function ticks(low, high, most = 5) {
  const raw = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((times) => times * power).find((one) => one >= raw);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => (first + index) * step);
}

/**
 * Return the logit on which the line between the first `count` and the rest lies, at each similarity.
 *
 * Hits fall by logit + weight * similarity: what is worth the same lies on a straight line.
 *
 * @param {Array<{logit: ?number, similarity: number}>} rows in their final order
 * @returns {?function(number): number} null where there are no more
 */
export function cutLine(rows, count, weight) {
  if (rows.length <= count || rows[count].logit === null) return null;
  const worth = (row) => row.logit + weight * row.similarity;
  const level = (worth(rows[count - 1]) + worth(rows[count])) / 2;
  return (similarity) => level - weight * similarity;
}
