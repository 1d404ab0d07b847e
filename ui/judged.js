// What judgements say: how good both orders of a question are, and how to measure a whole collection.

import { at, make, put } from "./dom.js";
import { count, score, things } from "./format.js";
import { ndcg } from "./ranks.js";

const INVITATION = "Thumbs say which documents answer. They are saved on the server's disk, and shortlist eval measures with them.";
const ALONE = "Of a search without stage two, whose two rankings are fused by scores; the list on the left is what stage two gets";

/**
 * Show how many judgements there are, and what both orders are worth by those of the question.
 *
 * @param {{total: number}} judgements of the collection
 * @param {{rows: object[], alone: ?string[]}} shown the final order, and the ids that stage one alone finds, once known
 * @param {Record<string, number>} grades of the question, by document
 */
export function show(judgements, shown, grades) {
  const here = Object.keys(grades).length;
  at("judged-told").textContent = judgements.total
    ? `${things(here, "judgement")} of this question, ${count(judgements.total)} of this collection, saved.`
    : INVITATION;
  at("judged-how").hidden = !judgements.total;
  const final = ndcg(shown.rows.map((row) => row.id), grades);
  const alone = shown.alone && ndcg(shown.alone, grades);
  const worth = [["stage one alone", alone, ALONE], ["after stage two", final, null]];
  const lines = worth.map(([name, value, title]) => make("div", { title }, make("dt", {}, `nDCG@10, ${name}`), make("dd", {}, score(value))));
  put(at("judged-worth"), final === null ? [] : lines);
}

/** Show the command that measures with the judgements of a collection. */
export function showCommand(collection, { folder, total }, address) {
  const command = `shortlist eval ${quoted(folder)} --collection ${collection} --address ${quoted(address)} --candidates 50`;
  put(
    at("measure"),
    make("h2", { id: "measure-title" }, "Measure with your judgements"),
    make("p", {}, `${things(total, "judgement")} of ${collection} are in a folder as BEIR lays it out, on the server's disk:`),
    make("pre", { tabindex: 0 }, make("code", {}, folder)),
    make("p", {}, "This says what both stages are worth by them; it asks this server and changes nothing (eval needs the extra bench):"),
    make("pre", { tabindex: 0 }, make("code", {}, command)),
    make("form.actions", { method: "dialog" }, copier(command), make("button.quiet", {}, "Close")),
  );
  at("measure").showModal();
}

function copier(text) {
  if (!navigator.clipboard) return null; // browsers have it where the connection is this machine's or encrypted
  const copy = make("button", { type: "button" }, "Copy");
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text);
    copy.textContent = "Copied";
  });
  return copy;
}

/** Return a word as a shell takes it. */
const quoted = (word) => (/^[\w@%+=:,./-]+$/u.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);
