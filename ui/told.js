// What is said above the lists: what was found and left out, whose answer is seen, or why there is none.

import { Failure } from "./api.js";
import { at, make, put } from "./dom.js";
import { count, line, ms, things } from "./format.js";
import { isByMaxsim, leftOut, scored } from "./ranks.js";

/** Say what came of a search. */
export function show(answer, tookMs, asked) {
  const found = answer.candidates ?? 0;
  const read = scored(answer);
  const late = answer.maxsimScored && !isByMaxsim(answer) ? `, ${count(answer.maxsimScored)} scored by MaxSim` : "";
  const how = isByMaxsim(answer) ? "scored by MaxSim" : "read";
  const matched = answer.matched === undefined ? "" : ` among ${count(answer.matched)} that match`;
  at("told").textContent = found
    ? `${things(found, "candidate")} found${matched}${late}, ${count(read)} ${how}${answer.reranked && !answer.timing?.inferMs ? " before (kept scores)" : ""}, in ${ms(tookMs)}`
    : `Nothing found${matched}.`;
  const why = leftOut(answer);
  const marks = [
    why && ["late", `${things(found - read, "candidate")} left unread: ${why}`],
    answer.truncated && ["cut", `${things(answer.truncated, "text")} longer than a window: the end was not read`],
    !asked.source && answer.candidatesFrom === "CANDIDATES_FROM_DENSE" && ["late", "Words are still being indexed: found by vectors alone"],
  ].filter(Boolean);
  put(at("marks"), marks.map(([kind, words]) => make(`li.${kind}`, {}, words)));
}

/** Say that the question is longer than the embedder's window. */
export function showCutQuestion() {
  at("marks").prepend(make("li.cut", {}, "The question is longer than stage one's window: its end was not read"));
}

/** Say whose the answer is that is still seen, or nothing where there is none. */
export function showOld(asked) {
  put(at("marks"));
  at("told").textContent = asked ? `Below is the last answer, to “${line(asked.q, 60)}” in ${asked.collection}.` : "";
}

/** Return why a search with a budget has no answer. */
export function reason(error, budget) {
  const isOf = (code) => error instanceof Failure && error.code === code && budget;
  if (isOf("deadline_exceeded")) return `${ms(budget)} were not enough for stage one alone. Give more time. (${error.message})`;
  if (isOf("resource_exhausted")) return `The server expects not to answer whole in ${ms(budget)}. Give more time, or try again. (${error.message})`;
  return error.message;
}
