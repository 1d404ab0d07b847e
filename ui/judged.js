// What judgements say: how good both orders of a question are, and how to measure a whole collection.

import { at, make, put } from "./dom.js";
import { count, score, things } from "./format.js";
import { ndcg, stageOne } from "./ranks.js";

const INVITATION = "Thumbs say which documents answer. They are saved on the server's disk, and shortlist eval measures with them.";

/**
 * Show how many judgements there are, and what both orders are worth by those of the question.
 *
 * @param {Judging} judging
 * @param {object[]} rows the answer, as `ranks.rows` returns it
 * @param {Record<string, number>} grades of the question, by document
 */
export function show(judging, rows, grades) {
  const here = Object.keys(grades).length;
  at("judged-told").textContent = judging.total
    ? `${things(here, "judgement")} of this question, ${count(judging.total)} of this collection, saved.`
    : INVITATION;
  at("judged-how").hidden = !judging.total;
  const orders = [["stage one", stageOne(rows)], ["after stage two", rows]];
  const worth = orders.map(([name, order]) => [name, ndcg(order.map((row) => row.id), grades)]);
  const lines = worth.map(([name, value]) => make("div", {}, make("dt", {}, `nDCG@10, ${name}`), make("dd", {}, score(value))));
  put(at("judged-worth"), worth.every(([, value]) => value !== null) ? lines : []);
}

/** Show the command that measures with the judgements of a collection. */
export function showCommand(judging, address) {
  const { collection, folder } = judging;
  const command = `shortlist eval ${quoted(folder)} --collection ${collection} --address ${quoted(address)}`;
  put(
    at("measure"),
    make("h2", { id: "measure-title" }, "Measure with your judgements"),
    make("p", {}, `${things(judging.total, "judgement")} of ${collection} are in a folder as BEIR lays it out, on the server's disk:`),
    make("pre", { tabindex: 0 }, make("code", {}, folder)),
    make("p", {}, "This says what both stages are worth by them; it asks this server and changes nothing:"),
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
