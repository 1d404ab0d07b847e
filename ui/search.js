// The view of a search: what is asked, asked again as a slider moves, and its answer in all its parts.

import { Failure, call } from "./api.js";
import * as collections from "./collections.js";
import { at, make, put } from "./dom.js";
import { count, ms, score, things } from "./format.js";
import { FilterFault, parse } from "./filter.js";
import { Judging } from "./judging.js";
import { Latest } from "./latest.js";
import { leftOut, ndcg, rows, stageOne } from "./ranks.js";
import { Reading } from "./reading.js";
import { Results } from "./results.js";
import * as scatter from "./scatter.js";
import { BUDGETS, DEFAULTS, candidateSteps, nearest, request, weightSteps, write } from "./settings.js";
import * as timing from "./timing.js";

const TYPED_MS = 350; // a question is asked once nobody has typed for so long
const MOVED_MS = 120; // the same for a slider
const NARROW = matchMedia("(max-width: 75rem)");
const PHONE = matchMedia("(max-width: 40rem)");
const KEY = "shortlist.collection";

export class Search {
  constructor() {
    this.settings = { ...DEFAULTS };
    this.server = { reranker: {}, limits: {} };
    this.ahead = null; // what was asked before the page was whole
    this.shown = null; // the question, rows and answer that are seen
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
      grade: (id) => (this.shown ? (this.judging.of(this.shown.asked.q)[id] ?? null) : null),
    });
    this.listen();
  }

  /**
   * Learn what there is to search, and with what.
   *
   * What the address asks is sent at once, beside that: it takes longest.
   */
  async start(settings) {
    if (settings.q && settings.collection) this.sendAhead(settings);
    try {
      const [server, found] = await Promise.all([call("Inference/Describe", {}), collections.list()]);
      this.server = server;
      this.collections = found;
      this.fault("");
    } catch (error) {
      this.fail(error);
      return;
    }
    this.steps = {
      candidates: candidateSteps(this.server.limits?.maxCandidates ?? 50),
      weight: weightSteps(this.ownWeight),
      budget: BUDGETS,
    };
    for (const [name, steps] of Object.entries(this.steps)) Object.assign(at(name), { min: 0, max: steps.length - 1, step: 1 });
    put(at("collection"), this.collections.map((one) => make("option", { value: one.name }, `${one.name} (${count(one.documents ?? 0)})`)));
  }

  get ownWeight() {
    return Number((this.server.reranker?.similarityWeight ?? 0).toFixed(3));
  }

  /** Take the settings of the page's address, and ask. */
  use(settings) {
    if (!this.steps) return;
    const names = this.collections.map((one) => one.name);
    if (!names.length) {
      put(at("welcome"), collections.none()).hidden = false;
      return;
    }
    const kept = localStorage.getItem(KEY);
    const collection = settings.collection || (names.includes(kept) ? kept : names[0]);
    const isOther = collection !== this.judging.collection;
    this.settings = { ...settings, collection };
    if (!names.includes(collection)) this.fault(`There is no collection “${collection}”. Choose another.`);
    else if (isOther) this.judging.load(collection);
    this.showControls();
    this.again(0);
    if (!this.settings.q) this.welcome();
  }

  listen() {
    const later = (wait) => () => this.changed(wait);
    at("ask").addEventListener("submit", (event) => {
      event.preventDefault();
      this.changed(0);
    });
    at("query").addEventListener("input", later(TYPED_MS));
    at("where").addEventListener("input", later(TYPED_MS));
    for (const name of ["candidates", "weight", "budget"]) at(name).addEventListener("input", later(MOVED_MS));
    at("source").addEventListener("change", later(0));
    at("collection").addEventListener("change", () => {
      localStorage.setItem(KEY, at("collection").value);
      location.hash = write({ ...this.settings, collection: at("collection").value, where: "" });
    });
    at("reset").addEventListener("click", () => {
      location.hash = write({ ...DEFAULTS, collection: this.settings.collection, q: this.settings.q });
    });
    at("judged-how").addEventListener("click", () => this.showHow());
    NARROW.addEventListener("change", () => this.place());
    // On a phone the answer comes first; elsewhere there is nothing to open it with.
    PHONE.addEventListener("change", () => (at("tune").open = !PHONE.matches));
    at("tune").open = !PHONE.matches;
  }

  /** Take what was typed and moved, and ask once that is over. */
  changed(wait) {
    const step = (name) => this.steps[name][Number(at(name).value)];
    const weight = step("weight");
    this.settings = {
      ...this.settings,
      q: at("query").value.trim(),
      // A value out of an address lies between the steps until its slider is moved.
      candidates: this.moved("candidates") ? step("candidates") : this.settings.candidates,
      weight: this.moved("weight") ? (weight === this.ownWeight ? null : weight) : this.settings.weight,
      budget: this.moved("budget") ? step("budget") : this.settings.budget,
      source: at("source").value,
      where: at("where").value.trim(),
    };
    this.showValues();
    history.replaceState(null, "", write(this.settings));
    this.again(wait);
  }

  moved(name) {
    return Number(at(name).value) !== nearest(this.steps[name], this.value(name));
  }

  /** Return what a slider stands for; no budget is the longest. */
  value(name) {
    if (name === "weight") return this.settings.weight ?? this.ownWeight;
    return this.settings[name];
  }

  showControls() {
    const { collection, q, source, where } = this.settings;
    Object.assign(at("collection"), { value: collection });
    if (at("query").value.trim() !== q) at("query").value = q;
    if (at("where").value.trim() !== where) at("where").value = where;
    at("source").value = source;
    for (const name of Object.keys(this.steps)) at(name).value = nearest(this.steps[name], this.value(name));
    this.showValues();
  }

  showValues() {
    // The way back from the other views.
    document.querySelector("[data-view=search]").setAttribute("href", write(this.settings));
    const { budget, weight, candidates } = this.settings;
    const told = {
      candidates: String(candidates),
      weight: weight === null ? `${this.ownWeight} (own)` : String(weight),
      budget: budget ? ms(budget) : "none",
    };
    for (const [name, value] of Object.entries(told)) {
      at(`${name}-told`).textContent = value;
      at(name).setAttribute("aria-valuetext", value);
    }
  }

  again(wait) {
    let where = null;
    try {
      where = parse(this.settings.where);
      this.whereFault("");
    } catch (error) {
      if (!(error instanceof FilterFault)) throw error;
      this.asking.drop();
      this.whereFault(error.message);
      return;
    }
    if (!this.settings.q || !this.collections?.some((one) => one.name === this.settings.collection)) {
      this.asking.drop();
      document.body.classList.remove("asking");
      return;
    }
    document.body.classList.add("asking");
    this.asking.ask({ ...this.settings, filter: where }, wait);
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

  judge(row, grade) {
    const kept = this.judging.judge(this.shown.asked.q, row.id, grade);
    at("said").textContent = `${row.title || row.id}: ${kept === null ? "judgement taken back" : kept ? "judged relevant" : "judged not relevant"}`;
  }

  showJudged() {
    this.results.markVotes();
    const grades = this.shown ? this.judging.of(this.shown.asked.q) : {};
    const here = Object.keys(grades).length;
    at("judged-told").textContent = this.judging.total
      ? `${things(here, "judgement")} of this question, ${count(this.judging.total)} of this collection, saved.`
      : "Thumbs say which documents answer. They are saved on the server's disk, and shortlist eval measures with them.";
    at("judged-how").hidden = !this.judging.total;
    const found = this.shown?.rows ?? [];
    const orders = [["Stage one", stageOne(found)], ["After stage two", found]];
    const worth = orders.map(([name, order]) => [name, ndcg(order.map((row) => row.id), grades)]);
    const isJudged = worth.every(([, value]) => value !== null);
    put(at("judged-worth"), isJudged ? worth.map(([name, value]) => make("div", {}, make("dt", {}, `nDCG@10, ${name.toLowerCase()}`), make("dd", {}, score(value)))) : []);
  }

  showHow() {
    const command = `shortlist eval ${quoted(this.judging.folder)} --collection ${this.settings.collection} --address ${this.address ?? "127.0.0.1:50051"}`;
    const copy = make("button", { type: "button" }, "Copy");
    copy.addEventListener("click", async () => {
      await navigator.clipboard.writeText(command);
      copy.textContent = "Copied";
    });
    put(
      at("measure"),
      make("h2", { id: "measure-title" }, "Measure with your judgements"),
      make("p", {}, `${things(this.judging.total, "judgement")} of ${this.settings.collection} are in a folder as BEIR lays it out, on the server's disk:`),
      make("pre", { tabindex: 0 }, make("code", {}, this.judging.folder)),
      make("p", {}, "This says what both stages are worth by them; it asks this server and changes nothing:"),
      make("pre", { tabindex: 0 }, make("code", {}, command)),
      make("form.actions", { method: "dialog" }, copy, make("button.quiet", {}, "Close")),
    );
    at("measure").showModal();
  }

  /** Show what can be asked, where nothing is. */
  async welcome() {
    this.shown = null;
    at("answer").hidden = true;
    at("told").textContent = "";
    put(at("marks"));
    const one = this.collections.find((each) => each.name === this.settings.collection);
    if (!one) return;
    const words = make("p.names");
    put(
      at("welcome"),
      make("h2", {}, `${things(one.documents ?? 0, "document")} to ask`),
      make("p", {}, "Stage one finds candidates by vectors and words. Stage two reads each of them beside your question. See here what moved, why, and what it took."),
      words,
    ).hidden = false;
    try {
      const page = await call("Retrieval/List", { collection: one.name, pageSize: 60 });
      const names = (page.documents ?? []).map((document) => document.title).filter((title) => title && title.length < 60);
      const some = names.filter((_, place) => place % Math.ceil(names.length / 5) === 0).slice(0, 5);
      if (some.length) put(words, "In it, for example: ", some.map((name) => [make("a", { href: write({ ...DEFAULTS, collection: one.name, q: name }) }, name), " "]).flat());
    } catch (error) {
      this.fail(error);
    }
  }

  fail(error) {
    document.body.classList.remove("asking");
    if (error.name === "AbortError") return;
    const { budget } = this.settings;
    const tight = error instanceof Failure && error.code === "deadline_exceeded" && budget;
    const busy = error instanceof Failure && error.code === "resource_exhausted" && budget;
    if (tight) this.fault(`${ms(budget)} were not enough for stage one alone. Give more time. (${error.message})`);
    else if (busy) this.fault(`The server expects not to answer whole in ${ms(budget)}. Give more time, or try again. (${error.message})`);
    else if (error.code === "invalid_argument" && error.message.startsWith("where")) this.whereFault(error.message);
    else this.fault(error.message);
  }

  fault(words) {
    Object.assign(at("fault"), { textContent: words, hidden: !words });
  }

  whereFault(words) {
    at("where-fault").textContent = words;
    at("where").setAttribute("aria-invalid", String(Boolean(words)));
    document.body.classList.remove("asking");
  }
}

/** Return a path as a shell takes it. */
const quoted = (path) => (/^[\w@%+=:,./-]+$/u.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`);
