// What is asked: the question, the sliders and the filter, as settings that the page's address holds.

import { at, make, put } from "./dom.js";
import { FilterFault, parse } from "./filter.js";
import { count, ms } from "./format.js";
import { keep } from "./kept.js";
import { BUDGETS, DEFAULTS, candidateSteps, nearest, weightSteps, write } from "./settings.js";

const TYPED_MS = 350; // a question is asked once nobody has typed for so long
const MOVED_MS = 120; // the same for a slider
const SLIDERS = ["candidates", "weight", "budget"];
const PHONE = matchMedia("(max-width: 40rem)");

export class Controls {
  /** @param {function(number): void} changed called with how long to wait until nothing more changes */
  constructor(changed) {
    this.settings = { ...DEFAULTS };
    this.changed = changed;
    this.steps = null; // known once the server is
    this.own = 0; // the similarity's weight that the reranker has by itself
    const later = (wait) => () => this.take(wait);
    at("ask").addEventListener("submit", (event) => {
      event.preventDefault();
      this.take(0);
    });
    for (const name of ["query", "where"]) at(name).addEventListener("input", later(TYPED_MS));
    for (const name of SLIDERS) at(name).addEventListener("input", later(MOVED_MS));
    for (const name of ["source", "mode"]) at(name).addEventListener("change", later(0));
    at("collection").addEventListener("change", () => this.choose(at("collection").value));
    at("reset").addEventListener("click", () => {
      location.hash = write({ ...DEFAULTS, collection: this.settings.collection, q: this.settings.q });
    });
    // On a phone the answer comes first; elsewhere there is nothing to open the sliders with.
    PHONE.addEventListener("change", () => (at("tune").open = !PHONE.matches));
    at("tune").open = !PHONE.matches;
  }

  /** Fit the sliders to a server's limits. */
  fit(server) {
    at("mode-control").hidden = !server.lateInteraction;
    this.own = Number((server.reranker?.similarityWeight ?? 0).toFixed(3));
    this.steps = { candidates: candidateSteps(server.limits?.maxCandidates ?? 50), weight: weightSteps(this.own), budget: BUDGETS };
    for (const name of SLIDERS) Object.assign(at(name), { min: 0, max: this.steps[name].length - 1, step: 1 });
  }

  /** Offer collections. */
  offer(collections) {
    const options = collections.map((one) => make("option", { value: one.name }, `${one.name} (${count(one.documents ?? 0)})`));
    put(at("collection"), options);
    at("collection").value = this.settings.collection;
  }

  /** Show settings. */
  show(settings) {
    this.settings = settings;
    at("collection").value = settings.collection;
    at("source").value = settings.source;
    at("mode").value = settings.mode;
    // What is being typed is left alone where it says the same.
    for (const [id, value] of [["query", settings.q], ["where", settings.where]]) if (at(id).value.trim() !== value) at(id).value = value;
    for (const name of SLIDERS) at(name).value = nearest(this.steps[name], this.value(name));
    this.tell();
  }

  /** Return the filter, or undefined where what was typed is none: why stands beside the field. */
  filter() {
    try {
      const found = parse(this.settings.where);
      this.refuse("");
      return found;
    } catch (error) {
      if (!(error instanceof FilterFault)) throw error;
      this.refuse(error.message);
      return undefined;
    }
  }

  /** Say beside the filter what is wrong with it. */
  refuse(words) {
    at("where-fault").textContent = words;
    at("where").setAttribute("aria-invalid", String(Boolean(words)));
  }

  take(wait) {
    if (!this.steps) return this.changed(wait); // the server was away: it is asked again
    const weight = this.step("weight");
    this.settings = {
      ...this.settings,
      q: at("query").value.trim(),
      candidates: this.step("candidates"),
      weight: weight === this.own ? null : weight,
      budget: this.step("budget"),
      source: at("source").value,
      mode: at("mode").value,
      where: at("where").value.trim(),
    };
    this.tell();
    history.replaceState(null, "", write(this.settings));
    this.changed(wait);
  }

  choose(collection) {
    keep("collection", collection);
    location.hash = write({ ...this.settings, collection, where: "" });
  }

  /** Return where a slider is; a value out of an address may lie between its steps, until it is moved. */
  step(name) {
    const place = Number(at(name).value);
    return place === nearest(this.steps[name], this.value(name)) ? this.value(name) : this.steps[name][place];
  }

  value(name) {
    return name === "weight" ? (this.settings.weight ?? this.own) : this.settings[name];
  }

  tell() {
    // The ways back from the other views.
    for (const link of document.querySelectorAll(".brand, [data-view=search]")) link.setAttribute("href", write(this.settings));
    const { budget, weight, candidates } = this.settings;
    const told = {
      candidates: candidates ? String(candidates) : "by default",
      weight: weight === null ? `${this.own} own` : String(weight),
      budget: budget ? ms(budget) : "none",
    };
    for (const name of SLIDERS) {
      at(`${name}-told`).textContent = told[name];
      at(name).setAttribute("aria-valuetext", told[name]);
    }
  }
}
