// What became of each candidate: the two orders out of one answer, and what they are worth by judgements. Pure.

/**
 * Return the rows of an answer in their final order.
 *
 * @param {object} answer a shortlist.v1.SearchResponse as JSON, whose hits are all candidates
 * @returns {Array<{id: string, title: string, text: string, metadata: object, place: number, rank: number,
 *   moved: number, similarity: number, score: ?number, logit: ?number, relevance: ?number, denseRank: ?number, lexicalRank: ?number,
 *   maxsim: ?number, maxsimRank: ?number, read: boolean}>} `read`: whether the last stage that ran has a number for it
 */
export function rows(answer) {
  const last = isByMaxsim(answer) ? "maxsim" : "score";
  return (answer.hits ?? []).map((hit, index) => ({
    id: hit.id,
    title: hit.title ?? "",
    text: hit.text ?? "",
    metadata: hit.metadata ?? {},
    place: index + 1,
    rank: hit.rank,
    moved: hit.rank - index - 1,
    similarity: hit.similarity ?? 0,
    score: hit.score ?? null,
    logit: hit.logit ?? null,
    relevance: hit.relevance ?? null,
    denseRank: hit.denseRank ?? null,
    lexicalRank: hit.lexicalRank ?? null,
    maxsim: hit.maxsim ?? null,
    maxsimRank: hit.maxsimRank ?? null,
    read: (hit[last] ?? null) !== null,
  }));
}

/** Return whether late interaction made the final order, and no stage two. */
export const isByMaxsim = (answer) => answer.mode === "MODE_LATE_INTERACTION";

/** Return the same rows in stage one's order. */
export const stageOne = (found) => [...found].sort((one, other) => one.rank - other.rank);

/** Return which way a row went: "up", "down", "same", or "unread" where the last stage did not score it. */
export function way(row) {
  if (!row.read) return "unread";
  return row.moved > 0 ? "up" : row.moved < 0 ? "down" : "same";
}

/** Return how many candidates the last stage scored. */
export const scored = (answer) => (isByMaxsim(answer) ? answer.maxsimScored : answer.reranked) ?? 0;

/** Return the words for why the last stage did not score all, or "" where it did. */
export function leftOut(answer) {
  if ((answer.candidates ?? 0) <= scored(answer)) return "";
  if (answer.degraded === "DEGRADED_DEADLINE") return "the deadline came first";
  if (answer.degraded === "DEGRADED_INFERENCE_FAILED") return "the model could not run them";
  if (answer.limitedBy === "LIMITED_BY_MARGIN") return `too far behind the ${answer.maxsimScored ? "best by MaxSim" : "most similar"}`;
  if (answer.limitedBy === "LIMITED_BY_BUDGET") return "more would take longer than the server gives stage two";
  return isByMaxsim(answer) ? "late interaction had not the time" : "stage two was not asked";
}

/** Return the path of a line from a row on the left to its row on the right. */
export function curve(left, right, width) {
  const bend = width * 0.5;
  return `M0 ${left}C${bend} ${left} ${width - bend} ${right} ${width} ${right}`;
}

/**
 * Return nDCG@`cut` of an order, as trec_eval has it: gain is the grade, what is not judged has none.
 *
 * @param {string[]} ids best first
 * @param {Record<string, number>} grades by id
 * @returns {?number} null where nothing is judged relevant
 */
export function ndcg(ids, grades, cut = 10) {
  const worth = (values) => values.slice(0, cut).reduce((sum, grade, place) => sum + grade / Math.log2(place + 2), 0);
  const relevant = Object.values(grades).filter((grade) => grade > 0);
  if (!relevant.length) return null;
  return worth(ids.map((id) => Math.max(0, grades[id] ?? 0))) / worth(relevant.sort((one, other) => other - one));
}
