// One document of an answer: its numbers, its text, and what each model read of it.

import { call } from "./api.js";
import { make, put } from "./dom.js";
import { cosine, count, maxsim, movedWords, score, things } from "./format.js";
import { Latest } from "./latest.js";
import * as votes from "./votes.js";

const VIEWS = [
  ["text", "Text"],
  ["reranker", "As the reranker reads it"],
  ["embedder", "As the embedder reads it"],
];

const SPECIAL = /^(?:\[[A-Z]+\]|<\/?[a-z|_]+>)$/u;

/** Return a token without the signs by which tokenizers join words. */
const bare = (word) => word.replace(/^(?:##|[▁Ġ])/u, "");

export class Reading {
  /**
   * @param {Element} section
   * @param {{judge: function(object, number): void, grade: function(string): ?number}} given as of `Results`
   */
  constructor(section, given) {
    this.section = section;
    this.given = given;
    this.view = "text";
    this.row = null;
    this.query = "";
    this.tokens = new Latest(
      (asked, signal) => tokenized(asked, signal),
      (found, asked) => this.showTokens(found, asked),
      (error) => put(this.panel, make("p.fault", {}, error.message)),
    );
  }

  /** Show a row of an answer to a question. */
  show(row, query) {
    const isSame = this.row?.id === row.id && this.query === query;
    this.row = row;
    this.query = query;
    const panel = this.panel;
    this.panel = isSame && panel ? panel : make("div.panel", { role: "tabpanel", id: "panel", "aria-labelledby": `tab-${this.view}`, tabindex: 0 });
    const wasHere = this.section.contains(document.activeElement);
    const name = row.title || row.id;
    put(this.section, make("h2", { id: "reading-title" }, name), this.votes(name), ...this.facts(row), this.tabs(), this.panel);
    if (wasHere && !this.section.contains(document.activeElement)) this.section.focus({ preventScroll: true });
    this.markVotes();
    if (!isSame) this.fill();
  }

  votes(name) {
    const thumbs = make("p.thumbs", {}, votes.buttons(name));
    thumbs.addEventListener("click", (event) => {
      const vote = event.target.closest("button");
      if (vote) this.given.judge(this.row, Number(vote.dataset.grade));
    });
    return thumbs;
  }

  /** Show how the document is judged now. */
  markVotes() {
    if (this.row) votes.mark(this.section, this.given.grade(this.row.id));
  }

  facts(row) {
    const facts = [
      ["Place", `${row.place}, ${movedWords(row.moved)}`],
      ["Stage one", String(row.rank)],
      ["By vectors", String(row.denseRank ?? "–")],
      ["By words", String(row.lexicalRank ?? "–")],
      ...(row.maxsim === null ? [] : [["MaxSim", `${maxsim(row.maxsim)}, place ${row.maxsimRank}`]]),
      ["Relevance", score(row.relevance)],
      ["Score", score(row.score)],
      ["Cosine", cosine(row.similarity)],
    ];
    const metadata = Object.entries(row.metadata).map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]);
    const list = (pairs) => pairs.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value)));
    return [
      make("p.id", {}, row.id),
      make("dl.facts", {}, list(facts)),
      metadata.length ? make("dl.facts.metadata", {}, list(metadata)) : null,
    ];
  }

  tabs() {
    const tabs = VIEWS.map(([view, name]) =>
      make(
        "button",
        {
          type: "button", role: "tab", id: `tab-${view}`, "aria-controls": "panel",
          "aria-selected": String(view === this.view), tabindex: view === this.view ? 0 : -1, "data-view": view,
        },
        name,
      ),
    );
    const list = make("div.tabs", { role: "tablist", "aria-label": "What to read" }, tabs);
    list.addEventListener("click", (event) => this.choose(event.target.closest("button")?.dataset.view));
    list.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const place = VIEWS.findIndex(([view]) => view === this.view);
      this.choose(VIEWS[(place + step + VIEWS.length) % VIEWS.length][0]);
      event.preventDefault();
    });
    return list;
  }

  choose(view) {
    if (!view || view === this.view) return;
    this.view = view;
    for (const tab of this.section.querySelectorAll("[role=tab]")) {
      const isChosen = tab.dataset.view === view;
      tab.setAttribute("aria-selected", String(isChosen));
      tab.tabIndex = isChosen ? 0 : -1;
      if (isChosen) tab.focus();
    }
    this.panel.setAttribute("aria-labelledby", `tab-${view}`);
    this.fill();
  }

  fill() {
    this.tokens.drop();
    if (this.view === "text") put(this.panel, make("p.whole", {}, this.row.text));
    this.tokens.ask({ row: this.row, query: this.query, view: this.view }, this.view === "text" ? 120 : 0);
  }

  showTokens({ tokens, truncated, read, text }, { view }) {
    if (view === "text") return this.showRead(text, read);
    const model = view === "reranker" ? "question and document" : "document";
    const told = truncated
      ? `${count(tokens.length)} tokens, all that the window holds: the rest of the text was not read.`
      : `${things(tokens.length, "token")}: the whole ${model}.`;
    return put(this.panel, make("p.note", {}, told), make("p.tokens", { translate: "no" }, tokens.flatMap(token)));
  }

  /** Mark in the text where the reranker's window ends. */
  showRead(text, read) {
    if (read === null || read >= text.length) return;
    const title = text.length - this.row.text.length;
    const place = Math.max(0, read - title);
    put(
      this.panel,
      make("p.note", {}, `Stage two read ${count(place)} of ${things(this.row.text.length, "character")}; the rest does not fit its window.`),
      make("p.whole", {}, this.row.text.slice(0, place), make("span.window", {}, make("span.hidden", {}, "Not read from here: "), this.row.text.slice(place))),
    );
  }
}

/** Return a token as an element, with the spaces that models write as signs. */
function token(word) {
  const isRest = word.startsWith("##");
  const kind = SPECIAL.test(word) ? ".special" : isRest ? ".rest" : "";
  return [isRest ? "" : " ", make(`span.token${kind}`, {}, bare(word) || "␣")];
}

async function tokenized({ row, query, view }, signal) {
  // Both models read the title before the text, one space between.
  const text = row.title ? `${row.title} ${row.text}` : row.text;
  if (view === "text") return { text, read: await readTo(text, query, signal) };
  const given = view === "reranker" ? { model: "MODEL_RERANKER", query } : { model: "MODEL_EMBEDDER", kind: "TEXT_KIND_DOCUMENT" };
  const [found] = (await call("Inference/Tokenize", { texts: [text], ...given }, { signal })).tokenizations;
  return { text, tokens: found.tokens ?? [], truncated: found.truncated ?? false, read: null };
}

/**
 * Return how many characters of a text the reranker reads beside a question, or null where it reads all.
 *
 * The pair is as long as the window; a short text beside the same question tells what the question and the special
 * tokens take of it, and the rest is the document's.
 */
async function readTo(text, query, signal) {
  const short = "a";
  const reranker = { model: "MODEL_RERANKER" };
  const pairs = (await call("Inference/Tokenize", { texts: [text, short], query, ...reranker }, { signal })).tokenizations;
  if (!pairs[0].truncated || pairs[1].truncated) return null;
  const alone = (await call("Inference/Tokenize", { texts: [text, short], endsOnly: true, ...reranker }, { signal })).tokenizations;
  const kept = pairs[0].ids.length - (pairs[1].ids.length - alone[1].ends.length);
  const [from, to] = [alone[0].ends[kept - 2] ?? 0, alone[0].ends[kept - 1] ?? 0];
  const last = pairs[0].tokens.findLast((word) => !SPECIAL.test(word));
  // A model may cut the beginning instead, and its tokenizer may change letters: no mark is better than a wrong one.
  if ([...text].slice(from, to).join("").trim().toLowerCase() !== bare(last).toLowerCase()) return null;
  // Ends count characters as Unicode does, JavaScript in units of UTF-16.
  return [...text].slice(0, to).join("").length;
}
