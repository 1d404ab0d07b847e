// The view of a search: what is asked, asked again as a slider moves, and its answer in all its parts.

import { call } from "./api.js";
import * as calls from "./calls.js";
import * as collections from "./collections.js";
import { Controls } from "./controls.js";
import { at, put } from "./dom.js";
import { FilterFault, parse } from "./filter.js";
import * as judged from "./judged.js";
import { Judging } from "./judging.js";
import { kept } from "./kept.js";
import { Latest } from "./latest.js";
import { rows } from "./ranks.js";
import { Reading } from "./reading.js";
import { Results } from "./results.js";
import * as scatter from "./scatter.js";
import { request } from "./settings.js";
import * as timing from "./timing.js";
import * as told from "./told.js";
import * as welcome from "./welcome.js";

const NARROW = matchMedia("(max-width: 75rem)");

export class Search {
  /** @param {function(): void} asked called when something is asked */
  constructor(asked) {
    this.asked = asked;
    this.collections = [];
    this.address = ""; // gRPC's
    this.ahead = null; // what was asked before the page was whole
    this.welcomed = null; // the collection whose welcome is seen
    this.shown = null; // the question that is answered, its rows, and what stage one alone finds for it
    this.controls = new Controls((wait) => this.again(wait));
    this.asking = new Latest(
      (asked, signal) => this.ask(asked, signal),
      (found, asked) => this.show(found, asked),
      (error) => this.fail(error),
    );
    this.cutting = new Latest(
      (shown, signal) => calls.cutOff(shown, signal),
      (found) => this.markCut(found),
      () => undefined,
    );
    this.alone = new Latest(
      ({ asked }, signal) => calls.stageOneAlone(asked, signal),
      (ids, shown) => {
        shown.alone = ids;
        this.showJudged();
      },
      () => undefined,
    );
    this.judging = new Judging(() => this.showJudged(), (error) => this.fault(error.message));
    const given = {
      see: (row) => this.see(row),
      open: (row) => this.open(row),
      judge: (row, grade) => this.judge(row, grade),
      grade: (id) => this.grades()[id] ?? null,
    };
    this.reading = new Reading(at("reading"), given);
    this.results = new Results(given);
    at("judged-how").addEventListener("click", () => {
      const { collection } = this.shown.asked;
      judged.showCommand(collection, this.judging.in(collection), this.address);
    });
    at("collection").addEventListener("focus", () => this.look());
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
      this.controls.fit(server);
      this.offer(found);
      this.fault("");
    } catch (error) {
      this.fail(error);
    }
  }

  /** Look for collections that came or went while the page was open. */
  async look() {
    if (!this.ready) return;
    try {
      const found = await collections.list();
      if (JSON.stringify(found) === JSON.stringify(this.collections)) return;
      const isFirst = !this.collections.length;
      this.offer(found);
      if (isFirst) this.use(this.controls.settings);
    } catch {
      // What is asked next says why.
    }
  }

  offer(found) {
    this.collections = found;
    this.controls.offer(found);
  }

  has(collection) {
    return this.collections.some((one) => one.name === collection);
  }

  /** Take the settings of the page's address, and ask. */
  async use(settings) {
    if (!this.ready) return;
    const last = kept("collection", "");
    const collection = settings.collection || (this.has(last) ? last : this.collections[0]?.name ?? "");
    this.controls.show({ ...settings, collection });
    if (!this.has(collection)) await this.look();
    if (this.controls.settings.collection !== collection) return; // another was chosen meanwhile
    if (this.has(collection)) this.judging.load(collection);
    this.again(0);
  }

  /** Ask what is to be asked now; where that is nothing, what is seen is not its answer. */
  again(wait) {
    this.asked();
    if (!this.ready) return;
    const { settings } = this.controls;
    const filter = this.controls.filter();
    const isThere = this.has(settings.collection);
    const asks = Boolean(settings.q && isThere && filter !== undefined);
    document.body.classList.toggle("asking", asks);
    this.fault(isThere || !this.collections.length ? "" : `There is no collection “${settings.collection}”. Choose another.`);
    if (!asks || this.shown?.asked.collection !== settings.collection) this.age();
    if (!settings.q || !isThere) this.clear();
    if (asks) this.asking.ask({ ...settings, filter }, wait);
    else this.asking.drop();
  }

  /** Grey the last answer, and say whose it is: it is not of what is asked now, and takes no judgements. */
  age() {
    told.showOld(this.shown?.asked);
    at("answer").inert = true;
    if (at("sheet").open) at("sheet").close();
  }

  /** Take the last answer away. */
  clear() {
    this.shown = null;
    this.age();
    this.cutting.drop();
    this.alone.drop();
    at("answer").hidden = true;
    this.welcome();
  }

  /** Whether what is seen is of what is asked now, so that it can be judged. */
  get isCurrent() {
    return Boolean(this.shown?.rows.length) && !at("answer").inert;
  }

  sendAhead(settings) {
    try {
      const asked = { ...settings, filter: parse(settings.where) };
      this.ahead = { message: JSON.stringify(request(asked, asked.filter)), found: calls.send(asked) };
      this.ahead.found.catch(() => undefined); // told where it is awaited
    } catch (error) {
      if (!(error instanceof FilterFault)) throw error;
    }
  }

  async ask(asked, signal) {
    const { ahead } = this;
    this.ahead = null;
    if (ahead?.message === JSON.stringify(request(asked, asked.filter))) return ahead.found;
    return calls.send(asked, signal);
  }

  show({ answer, tookMs }, asked) {
    document.body.classList.remove("asking");
    at("answer").inert = false;
    this.fault("");
    const found = rows(answer);
    this.shown = { asked, rows: found, alone: null };
    this.alone.drop();
    at("welcome").hidden = true;
    at("answer").hidden = !found.length;
    told.show(answer, tookMs, asked);
    if (!found.length) return;
    this.results.show(found, answer);
    timing.show(at("timing"), answer, tookMs, asked.budget);
    const weight = Number((answer.similarityWeight ?? 0).toFixed(3));
    scatter.show(at("scatter"), found, weight, (row) => this.results.open(row));
    this.showJudged();
    if (!NARROW.matches || at("sheet").open) this.reading.show(this.results.row(), asked.q);
    if (answer.truncated && answer.reranked) this.cutting.ask(this.shown);
    else this.cutting.drop();
  }

  markCut({ ids, isQuestionCut }) {
    this.results.markCut(ids);
    if (isQuestionCut) told.showCutQuestion();
  }

  /** Show a document where there is room for it beside the lists, or where one is open. */
  see(row) {
    if (!NARROW.matches || at("sheet").open) this.open(row);
  }

  /** Do what a key outside of fields is for; return whether it is for anything. */
  pressed(key) {
    const grade = { "+": 1, "=": 1, "-": 0 }[key];
    if (!this.isCurrent) return false;
    if (key === "j" || key === "k") this.results.move(key === "j" ? 1 : -1);
    else if (grade !== undefined && at("sheet").open) this.judge(this.results.row(), grade);
    else return false;
    return true;
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
    return this.shown ? this.judging.of(this.shown.asked) : {};
  }

  /** Judge a document of the answer that is seen: for its question and its collection, whatever is chosen by now. */
  async judge(row, grade) {
    if (!this.isCurrent) return;
    at("said").textContent = "";
    const given = await this.judging.judge(this.shown.asked, row.id, grade);
    if (given === undefined) return;
    const words = given === null ? "judgement taken back" : given ? "judged relevant" : "judged not relevant";
    at("said").textContent = `${row.title || row.id}: ${words}`;
  }

  showJudged() {
    if (!this.shown) return;
    this.results.markVotes();
    this.reading.markVotes();
    const grades = this.grades();
    judged.show(this.judging.in(this.shown.asked.collection), this.shown, grades);
    if (Object.keys(grades).length && !this.shown.alone) this.alone.ask(this.shown);
  }

  /** Show what can be asked, where nothing is. */
  async welcome() {
    const collection = this.collections.find((one) => one.name === this.controls.settings.collection);
    if (!at("welcome").hidden && this.welcomed === collection) return;
    this.welcomed = collection;
    at("welcome").hidden = true;
    if (!this.collections.length) put(at("welcome"), collections.none()).hidden = false;
    try {
      if (collection) await welcome.show(at("welcome"), collection);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Say why there is no answer. */
  fail(error) {
    document.body.classList.remove("asking");
    if (error.name === "AbortError") return;
    this.age();
    if (error.code === "not_found") this.look(); // the collection was dropped since
    if (error.code === "invalid_argument" && error.message.startsWith("where")) this.controls.refuse(error.message);
    else this.fault(told.reason(error, this.controls.settings.budget));
  }

  fault(words) {
    Object.assign(at("fault"), { textContent: words, hidden: !words });
  }
}
