// The page: its views, its colours, its keys, and the server's pulse.

import { get } from "./api.js";
import * as collections from "./collections.js";
import { at, make, put } from "./dom.js";
import { keep, kept } from "./kept.js";
import { Polling } from "./polling.js";
import { Search } from "./search.js";
import { History, described, pulse, showLive } from "./server.js";
import { read } from "./settings.js";

const PULSE_MS = 3000;
const LIVE_MS = 1000;
const THEMES = ["system", "light", "dark"];
const SIGNS = { system: "◐", light: "☀︎", dark: "☾" };
const WORDS = [
  ["Score", "what stage two says of a document beside the question, 0 to 1"],
  ["Cosine", "the similarity of two vectors, the question's and the document's: stage one's"],
  ["MaxSim", "late interaction's: the best cosine of each of the question's tokens with one of the document's, summed up"],
  ["Relevance", "score and similarity together: by it the final list falls"],
  ["Own", "the similarity weight that the reranker's bundle has by itself"],
  ["Slot", "what runs a model, one batch at a time"],
];
const KEYS = [
  ["/", "go to the question"],
  ["j, k", "next and previous document, from anywhere"],
  ["↑, ↓", "the same, in the list; Page, Home and End as well"],
  ["Enter", "open the document"],
  ["+, −", "in the list or an open document: judge it relevant, not relevant; once more takes it back"],
  ["1, 2, 3", "search, collections, server"],
  ["Esc", "close what is open"],
  ["?", "these keys"],
];

const seen = new History();
const polling = new Polling(() => get("state"), showState, () => showPulse({ level: "bad", told: "no answer" }));
const search = new Search(() => polling.retry());
let view = "";

addEventListener("hashchange", route);
addEventListener("keydown", pressed);
addEventListener("focus", () => search.look()); // as after a command in a terminal, which may have made a collection
at("theme").addEventListener("click", () => theme(THEMES[(THEMES.indexOf(kept("theme", "system")) + 1) % THEMES.length]));
at("help-open").addEventListener("click", help);
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  at("query").focus();
});
theme(kept("theme", "system"));
await search.learn(read(location.hash).settings);
route();
polling.start(view === "server" ? LIVE_MS : PULSE_MS);
document.body.dataset.ready = "";

function route() {
  const asked = read(location.hash);
  const isOther = view !== asked.view;
  view = asked.view;
  for (const page of document.querySelectorAll("[data-page]")) page.hidden = page.dataset.page !== view;
  for (const link of document.querySelectorAll("[data-view]")) {
    if (link.dataset.view === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = view === "search" ? "Shortlist" : `${view[0].toUpperCase()}${view.slice(1)} · Shortlist`;
  const isBack = isOther && document.body.dataset.ready !== undefined;
  // Collections may have come and gone while others were looked at.
  if (view === "search" && isBack) search.learn({}).then(() => search.use(asked.settings));
  else if (view === "search") search.use(asked.settings);
  if (!isOther) return;
  if (view === "collections") fill("collections-body", () => collections.show(at("collections-body")));
  if (view === "server") fill("server-body", showServer);
  if (isBack) polling.start(view === "server" ? LIVE_MS : PULSE_MS);
}

async function fill(id, show) {
  try {
    await show();
  } catch (error) {
    put(at(id), make("p.notice", { role: "alert" }, error.message));
  }
}

async function showServer() {
  const models = await described();
  put(at("server-body"), make("div", { id: "live" }), models);
  if (seen.last) showLive(at("live"), seen);
}

function showState(state) {
  if (!search.ready) search.learn(read(location.hash).settings).then(route); // the server was away
  seen.add(state, performance.now());
  search.address = state.address;
  showPulse(pulse(state));
  if (view === "server" && at("live")) showLive(at("live"), seen);
}

function showPulse({ level, told }) {
  at("pulse").dataset.level = level;
  if (at("pulse-told").textContent !== told) at("pulse-told").textContent = told;
}

function theme(name) {
  keep("theme", name);
  if (name === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  at("theme").textContent = SIGNS[name];
  at("theme").setAttribute("aria-label", `Colours: ${name === "system" ? "as the system has them" : name}`);
}

function help() {
  const single = make("input", { type: "checkbox", id: "single", checked: kept("keys", "on") === "on" });
  single.addEventListener("change", () => keep("keys", single.checked ? "on" : "off"));
  put(
    at("help"),
    make("h2", { id: "help-title" }, "Keys"),
    make("dl.keys", {}, KEYS.map(([key, told]) => make("div", {}, make("dt", {}, make("kbd", {}, key)), make("dd", {}, told)))),
    make("h2", {}, "Words"),
    make("dl.keys", {}, WORDS.map(([word, told]) => make("div", {}, make("dt", {}, word), make("dd", {}, told)))),
    make("p", {}, make("label", { for: "single" }, single, " Single keys work outside of fields")),
    make("form.actions", { method: "dialog" }, make("button.quiet", {}, "Close")),
  );
  at("help").showModal();
}

function pressed(event) {
  const isTyping = event.target.closest?.("input:not([type=range], [type=checkbox]), select, textarea, dialog:not(#sheet)");
  if (isTyping || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || kept("keys", "on") !== "on") return;
  const views = [...document.querySelectorAll("[data-view]")].map((link) => link.getAttribute("href"));
  if (view === "search" && search.pressed(event.key)) event.preventDefault();
  if (event.defaultPrevented || at("sheet").open) return;
  if (event.key === "/") {
    if (view !== "search") {
      location.hash = views[0];
      route(); // the event of that comes later, and what is hidden takes no focus
    }
    at("query").focus();
    at("query").select();
  } else if (event.key === "?") help();
  else if (["1", "2", "3"].includes(event.key)) location.hash = views[event.key - 1];
  else return;
  event.preventDefault();
}
