// The two rankings: stage one's order and the final one as tables, and lines from place to place between them.

import { at, draw, make, put } from "./dom.js";
import { cosine, line, maxsim, moved, movedWords, score, things } from "./format.js";
import { curve, isByMaxsim, leftOut, stageOne, way } from "./ranks.js";
import * as votes from "./votes.js";

const STILL = matchMedia("(prefers-reduced-motion: reduce)");

export class Results {
  /**
   * @param {{see: function(object): void, open: function(object): void, judge: function(object, number): void,
   *   grade: function(string): ?number}} given what happens when a row becomes the current one, is opened or judged,
   *   and how a document is judged now
   */
  constructor(given) {
    this.given = given;
    this.first = at("first");
    this.second = at("second");
    this.links = at("links");
    this.rows = [];
    this.current = null;
    new ResizeObserver(() => this.resized()).observe(at("ranks"));
    for (const list of [this.first, this.second]) {
      list.addEventListener("pointerover", (event) => this.light(event.target.closest("tr")?.dataset.id));
      list.addEventListener("pointerleave", () => this.light());
      list.addEventListener("focusin", (event) => this.light(event.target.closest("tr")?.dataset.id));
      list.addEventListener("focusout", () => this.light());
      list.addEventListener("click", (event) => this.clicked(event));
    }
    this.second.addEventListener("keydown", (event) => this.pressed(event));
  }

  /** Show both orders of an answer. */
  show(rows, answer) {
    const before = this.tops();
    const focused = this.second.contains(document.activeElement);
    this.rows = rows;
    this.second.classList.toggle("late", Boolean(answer.maxsimScored));
    at("after").textContent = isByMaxsim(answer) ? "By MaxSim" : "After stage two";
    put(this.first.querySelector("tbody"), stageOne(rows).map((row) => this.firstRow(row)));
    const table = this.second.querySelector("table");
    for (const body of table.querySelectorAll("tbody")) body.remove();
    table.append(...this.bodies(rows, answer));
    if (!rows.some((row) => row.id === this.current)) this.current = rows[0]?.id ?? null;
    this.mark();
    this.resized();
    this.slide(before);
    if (focused) this.focus();
  }

  /** Go to the row that is so many places further. */
  move(places) {
    const from = this.rows.findIndex((row) => row.id === this.current);
    const to = Math.max(0, Math.min(this.rows.length - 1, from + places));
    if (!this.rows[to]) return;
    this.current = this.rows[to].id;
    this.mark();
    this.focus();
    this.given.see(this.rows[to]);
  }

  /** Make a row the current one, and show it. */
  open(row) {
    this.current = row.id;
    this.mark();
    this.focus();
    this.given.open(row);
  }

  /** Return the current row. */
  row() {
    return this.rows.find((row) => row.id === this.current) ?? null;
  }

  /** Show how documents are judged now. */
  markVotes() {
    for (const one of this.second.querySelectorAll("tr[data-id]")) votes.mark(one, this.given.grade(one.dataset.id));
  }

  /** Light a document up in both lists, and the line between. */
  light(id) {
    const ranks = at("ranks");
    ranks.classList.toggle("lit", id !== undefined);
    for (const one of ranks.querySelectorAll(".here")) one.classList.remove("here");
    if (id === undefined) return;
    for (const one of ranks.querySelectorAll(`[data-id="${CSS.escape(id)}"]`)) one.classList.add("here");
  }

  bodies(rows, answer) {
    const scored = rows.filter((row) => row.read);
    const rest = rows.filter((row) => !row.read);
    const found = [make("tbody", {}, scored.map((row) => this.secondRow(row)))];
    if (!rest.length) return found;
    const order = answer.maxsimScored && !isByMaxsim(answer) ? "MaxSim's" : "stage one's";
    const told = `${things(rest.length, "candidate")} not read: ${leftOut(answer)}. In ${order} order.`;
    const head = make("tr.unread-head", {}, make("th", { scope: "rowgroup" }, told));
    return [...found, make("tbody.unread", {}, head, rest.map((row) => this.secondRow(row)))];
  }

  firstRow(row) {
    const by = [row.denseRank && `vectors ${row.denseRank}`, row.lexicalRank && `words ${row.lexicalRank}`].filter(Boolean);
    return make(
      `tr.${way(row)}`,
      { "data-id": row.id, title: [whole(row), by.length ? `Found by ${by.join(", ")}` : null].filter(Boolean).join("\n") },
      make("td.place", {}, row.rank),
      make("th.name", { scope: "row" }, make("div.line", {}, make("span.title", {}, parts(row)), id(row))),
      make("td.number", {}, cosine(row.similarity)),
    );
  }

  secondRow(row) {
    const name = row.title || row.id;
    const text = line(row.text);
    const label = `${name}, place ${row.place}, ${movedWords(row.moved)}`;
    return make(
      `tr.${way(row)}`,
      { "data-id": row.id },
      make("td.place", {}, row.place),
      make("td.moved", {}, make("span", { "aria-hidden": "true" }, moved(row.moved)), make("span.hidden", {}, `${movedWords(row.moved)}, was ${row.rank}`)),
      make(
        "th.name",
        { scope: "row", title: whole(row) },
        make(
          "div.line",
          {},
          make("button.open", { type: "button", tabindex: -1, "aria-label": label }, make("span.title", {}, parts(row))),
          make("span.cut", { hidden: true, title: "Longer than the reranker's window: its end was not read" }, "cut"),
          make("span.below", {}, id(row), make("span.text", {}, text)),
        ),
      ),
      make("td.number.relevance", {}, score(row.relevance)),
      make("td.number.maxsim", {}, maxsim(row.maxsim)),
      make("td.number.score", {}, score(row.score)),
      make("td.number.similarity", {}, cosine(row.similarity)),
      make("td.votes", {}, votes.buttons(name, { tabindex: -1 })),
    );
  }

  /** Mark the documents that are longer than the reranker's window. */
  markCut(ids) {
    for (const one of this.second.querySelectorAll("tr[data-id]")) {
      const badge = one.querySelector(".cut");
      badge.hidden = !ids.has(one.dataset.id);
    }
  }

  clicked(event) {
    const row = this.rows.find((one) => one.id === event.target.closest("tr")?.dataset.id);
    if (!row) return;
    const vote = event.target.closest("button[data-grade]");
    if (vote) this.given.judge(row, Number(vote.dataset.grade));
    else this.open(row);
  }

  pressed(event) {
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity };
    const row = this.row();
    if (event.altKey || event.ctrlKey || event.metaKey || !row) return;
    if (event.key in steps) this.move(Math.max(-1e6, Math.min(1e6, steps[event.key])));
    else if (event.key === "+" || event.key === "=") this.given.judge(row, 1);
    else if (event.key === "-") this.given.judge(row, 0);
    else if (event.key === "ArrowLeft" || event.key === "ArrowRight") this.step(event.key === "ArrowRight" ? 1 : -1);
    else return;
    event.preventDefault();
  }

  /** Go to the next button of the row. */
  step(places) {
    const buttons = [...(document.activeElement.closest("tr")?.querySelectorAll("button") ?? [])];
    buttons[buttons.indexOf(document.activeElement) + places]?.focus();
  }

  /** Let the current row alone be in the order of tabs: the others are reached by arrows. */
  mark() {
    for (const one of at("ranks").querySelectorAll("tr[data-id]")) {
      const isCurrent = one.dataset.id === this.current;
      one.classList.toggle("current", isCurrent);
      for (const button of one.querySelectorAll("button")) button.tabIndex = isCurrent ? 0 : -1;
      if (isCurrent) one.querySelector("button.open")?.setAttribute("aria-current", "true");
      else one.querySelector("button.open")?.removeAttribute("aria-current");
    }
  }

  focus() {
    const button = this.second.querySelector("tr.current button.open");
    button?.focus({ preventScroll: true });
    button?.closest("tr").scrollIntoView({ block: "nearest", behavior: STILL.matches ? "auto" : "smooth" });
  }

  tops() {
    return new Map([...this.second.querySelectorAll("tr[data-id]")].map((one) => [one.dataset.id, one.offsetTop]));
  }

  /** Let rows glide from where they were, so that the eye can follow what a slider did. */
  slide(before) {
    if (STILL.matches) return;
    for (const one of this.second.querySelectorAll("tr[data-id]")) {
      const from = before.get(one.dataset.id);
      const away = from === undefined ? 0 : from - one.offsetTop;
      if (away && Math.abs(away) < 1500)
        one.animate([{ transform: `translateY(${away}px)` }, { transform: "none" }], { duration: 220, easing: "ease-out" });
    }
  }

  /** Fit what depends on the width: it decides which columns are seen. */
  resized() {
    const seen = [...this.second.querySelectorAll("thead th")].filter((one) => one.offsetWidth);
    for (const one of this.second.querySelectorAll(".unread-head th")) one.colSpan = seen.length;
    this.drawLinks();
  }

  drawLinks() {
    const box = this.links.getBoundingClientRect();
    if (!box.width || !this.rows.length) return;
    const middles = (list) =>
      new Map([...list.querySelectorAll("tr[data-id]")].map((one) => [one.dataset.id, middle(one, list)]));
    const [left, right] = [middles(this.first), middles(this.second)];
    const paths = this.rows.map((row) =>
      draw(`path.${way(row)}`, { "data-id": row.id, d: curve(left.get(row.id), right.get(row.id), Math.round(box.width)) }),
    );
    // What moved furthest is drawn last, above the others.
    paths.sort((one, other) => this.distance(one) - this.distance(other));
    put(this.links, paths);
  }

  distance(path) {
    const row = this.rows.find((one) => one.id === path.dataset.id);
    return row.read ? Math.abs(row.moved) : -1;
  }
}

/** Return a title in two parts, of which the style shortens the first: the sections of one page differ in the last. */
function parts(row) {
  const name = row.title || row.id;
  const place = name.lastIndexOf(" > ");
  return place < 0 ? [make("span.first", {}, name)] : [make("span.first", {}, name.slice(0, place + 1)), make("span.last", {}, name.slice(place + 1))];
}

/** Return a document's id, where its name is another; the style shortens its beginning, since passages differ at the end. */
const id = (row) => (row.title && row.title !== row.id ? make("span.id", {}, make("bdi", {}, row.id)) : null);

/** Return what there is no room for in a row. */
const whole = (row) => (row.title ? `${row.title}\n${row.id}` : row.id);

/** Return the middle of a row below the top of its list; where it glides does not count. */
function middle(row, list) {
  let top = row.offsetHeight / 2;
  for (let one = row; one && one !== list; one = one.offsetParent) top += one.offsetTop;
  return Math.round(top * 2) / 2;
}
