// The view of a search: what is asked, asked again as a slider moves, and its answer in all its parts.

import { Failure, call } from "./api.js";
import * as collections from "./collections.js";
import { Controls } from "./controls.js";
import { at, make, put } from "./dom.js";
import { count, ms, things } from "./format.js";
import { FilterFault, parse } from "./filter.js";
import * as judged from "./judged.js";
import { Judging } from "./judging.js";
import { kept } from "./kept.js";
import { Latest } from "./latest.js";
import { leftOut, rows } from "./ranks.js";
import { Reading } from "./reading.js";
import { Results } from "./results.js";
import * as scatter from "./scatter.js";
import { request } from "./settings.js";
import * as timing from "./timing.js";
import * as welcome from "./welcome.js";

const NARROW = matchMedia("(max-width: 75rem)");

export class Search {
  constructor() {
    this.collections = [];
    this.address = ""; // gRPC's
    this.ahead = null; // what was asked before the page was whole
    this.shown = null; // the question, rows and answer that are seen
    this.controls = new Controls((wait) => this.again(wait));
    this.asking = new Latest(
      (asked, signal) => this.ask(asked, signal),
      (found, asked) => this.show(found, asked),
      (error) => this.fail(error),
    );
    this.cutting = new Latest(
      (asked, signal) => this.cutOff(asked, signal),
      (ids) => this.results.markCut(ids),
      () => undefined,
    );
    this.judging = new Judging(() => this.showJudged(), (error) => this.fault(error.message));
    this.reading = new Reading(at("reading"));
    this.results = new Results({
      see: (row) => this.see(row),
      open: (row) => this.open(row),
      judge: (row, grade) => this.judge(row, grade),
      grade: (id) => this.grades()[id] ?? null,
    });
    at("judged-how").addEventListener("click", () => judged.showCommand(this.judging, this.address));
    NARROW.addEventListener("change", () => this.place());
  }

  /** Whether it is known what there is to search. */
  get ready() {
    return this.controls.steps !== null;
  }

  /**
   * Learn what there is to search, and with what.
   *
   * What the address asks is sent at once, beside that: it takes longest.
   */
  async learn(settings) {
    if (settings.q && settings.collection) this.sendAhead(settings);
    try {
      const [server, found] = await Promise.all([call("Inference/Describe", {}), collections.list()]);
      this.collections = found;
      this.controls.fit(server, found);
      this.fault("");
    } catch (error) {
      this.fail(error);
    }
  }

  /** Take the settings of the page's address, and ask. */
  use(settings) {
    if (!this.ready) return;
    const names = this.collections.map((one) => one.name);
    if (!names.length) {
      put(at("welcome"), collections.none()).hidden = false;
      return;
    }
    const last = kept("collection", "");
    const collection = settings.collection || (names.includes(last) ? last : names[0]);
    this.controls.show({ ...settings, collection });
    if (!names.includes(collection)) this.fault(`There is no collection “${collection}”. Choose another.`);
    else if (collection !== this.judging.collection) this.judging.load(collection);
    this.again(0);
    if (!settings.q) this.welcome();
  }

  again(wait) {
    const { settings } = this.controls;
    const filter = this.controls.filter();
    const isThere = this.collections.some((one) => one.name === settings.collection);
    const asks = Boolean(settings.q && isThere && filter !== undefined);
    document.body.classList.toggle("asking", asks);
    if (asks) this.asking.ask({ ...settings, filter }, wait);
    else this.asking.drop();
  }

  sendAhead(settings) {
    try {
      const asked = { ...settings, filter: parse(settings.where) };
      this.ahead = { message: JSON.stringify(request(asked, asked.filter)), found: this.send(asked) };
      this.ahead.found.catch(() => undefined); // told where it is awaited
    } catch (error) {
      if (!(error instanceof FilterFault)) throw error;
    }
  }

  async ask(asked, signal) {
    const { ahead } = this;
    this.ahead = null;
    if (ahead?.message === JSON.stringify(request(asked, asked.filter))) return ahead.found;
    return this.send(asked, signal);
  }

  async send(asked, signal) {
    const began = performance.now();
    const answer = await call("Retrieval/Search", request(asked, asked.filter), { signal, timeoutMs: asked.budget });
    return { answer, tookMs: performance.now() - began };
  }

  show({ answer, tookMs }, asked) {
    document.body.classList.remove("asking");
    at("answer").classList.remove("stale");
    this.fault("");
    const found = rows(answer);
    this.shown = { asked, answer, rows: found };
    at("welcome").hidden = true;
    at("answer").hidden = !found.length;
    this.tell(answer, tookMs, asked);
    if (!found.length) return;
    this.results.show(found, answer);
    timing.show(at("timing"), answer, tookMs, asked.budget);
    const weight = Number((answer.similarityWeight ?? 0).toFixed(3));
    scatter.show(at("scatter"), found, weight, (row) => this.results.open(row));
    this.showJudged();
    if (!NARROW.matches) this.reading.show(this.results.row(), asked.q);
    if (answer.truncated) this.cutting.ask(found);
    else this.cutting.drop();
  }

  tell(answer, tookMs, asked) {
    const found = answer.candidates ?? 0;
    const read = answer.reranked ?? 0;
    const matched = answer.matched === undefined ? "" : ` among ${count(answer.matched)} that match`;
    at("told").textContent = found
      ? `${things(found, "candidate")} found${matched}, ${count(read)} read, in ${ms(tookMs)}`
      : `Nothing found${matched}.`;
    const why = leftOut(answer);
    const marks = [
      why && ["late", `${things(found - read, "candidate")} left unread: ${why}`],
      answer.truncated && ["cut", `${things(answer.truncated, "text")} longer than a window: the end was not read`],
      !asked.source && answer.candidatesFrom === "CANDIDATES_FROM_DENSE" && ["late", "Words are still being indexed: found by vectors alone"],
    ].filter(Boolean);
    put(at("marks"), marks.map(([kind, words]) => make(`li.${kind}`, {}, words)));
  }

  /** Return the ids of the documents that the reranker did not read whole. */
  async cutOff(found, signal) {
    const texts = found.map((row) => (row.title ? `${row.title} ${row.text}` : row.text));
    const given = { texts, model: "MODEL_RERANKER", query: this.shown.asked.q };
    const { tokenizations } = await call("Inference/Tokenize", given, { signal });
    return new Set(found.filter((_, place) => tokenizations[place].truncated).map((row) => row.id));
  }

  /** Show a document where there is room for it beside the lists. */
  see(row) {
    if (!NARROW.matches) this.open(row);
  }

  open(row) {
    this.place();
    this.reading.show(row, this.shown.asked.q);
    if (NARROW.matches && !at("sheet").open) at("sheet").showModal();
  }

  /** Put the reading where there is room for it: beside the lists, or on a sheet of its own. */
  place() {
    const reading = at("reading");
    const home = NARROW.matches ? at("sheet") : document.querySelector(".beside");
    if (reading.parentElement === home) return;
    if (at("sheet").open) at("sheet").close();
    home.append(reading);
    if (!NARROW.matches && this.shown?.rows.length) this.reading.show(this.results.row(), this.shown.asked.q);
  }

  /** Return the judgements of the question that is seen. */
  grades() {
    return this.shown?.asked.collection === this.judging.collection ? this.judging.of(this.shown.asked.q) : {};
  }

  judge(row, grade) {
    if (this.shown.asked.collection !== this.judging.collection) return; // another is chosen, whose answer comes
    const given = this.judging.judge(this.shown.asked.q, row.id, grade);
    const words = given === null ? "judgement taken back" : given ? "judged relevant" : "judged not relevant";
    at("said").textContent = `${row.title || row.id}: ${words}`;
  }

  showJudged() {
    this.results.markVotes();
    judged.show(this.judging, this.shown?.rows ?? [], this.grades());
  }

  /** Show what can be asked, where nothing is. */
  async welcome() {
    this.shown = null;
    at("answer").hidden = true;
    at("told").textContent = "";
    put(at("marks"));
    const collection = this.collections.find((one) => one.name === this.controls.settings.collection);
    try {
      if (collection) await welcome.show(at("welcome"), collection);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Say why there is no answer; what is seen of the last one is marked as such. */
  fail(error) {
    document.body.classList.remove("asking");
    if (error.name === "AbortError") return;
    at("answer").classList.add("stale");
    at("told").textContent = "";
    put(at("marks"));
    const { budget } = this.controls.settings;
    const late = error instanceof Failure && error.code === "deadline_exceeded" && budget;
    const busy = error instanceof Failure && error.code === "resource_exhausted" && budget;
    if (late) this.fault(`${ms(budget)} were not enough for stage one alone. Give more time. (${error.message})`);
    else if (busy) this.fault(`The server expects not to answer whole in ${ms(budget)}. Give more time, or try again. (${error.message})`);
    else if (error.code === "invalid_argument" && error.message.startsWith("where")) this.controls.refuse(error.message);
    else this.fault(error.message);
  }

  fault(words) {
    Object.assign(at("fault"), { textContent: words, hidden: !words });
  }
}
