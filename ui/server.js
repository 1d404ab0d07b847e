// What the server is at: its slots and lanes while they work, its models, its limits.

import { call } from "./api.js";
import { draw, make, put } from "./dom.js";
import { bytes, count, ms, share, things } from "./format.js";
import { linear } from "./scales.js";

const KEPT = 120; // points of a line
const [WIDTH, HEIGHT] = [240, 40];
const LANES = { query: "questions, the most urgent", rerank: "stage two", ingest: "documents to embed" };

/** What was seen of the server, and what follows from two looks at it. */
export class History {
  constructor() {
    this.points = [];
    this.last = null;
  }

  /** Keep a look: what `ui/state` answered, and when in milliseconds. */
  add(state, now) {
    const before = this.last;
    this.last = { state, now };
    if (!before || now <= before.now) return;
    const seconds = (now - before.now) / 1000;
    const rate = (after, then) => Math.max(0, after - then) / seconds; // a restarted server counts from 0
    this.points.push({
      busy: Math.min(1, rate(state.busy_s, before.state.busy_s) / state.slots),
      lanes: state.lanes.map((lane, place) => ({
        waiting: lane.waiting,
        runs: rate(lane.runs, before.state.lanes[place].runs),
        tokens: rate(lane.tokens, before.state.lanes[place].tokens),
      })),
    });
    this.points = this.points.slice(-KEPT);
  }

  /** Return the line of a value over the points. */
  line(value) {
    return this.points.map(value);
  }
}

/** Return how busy a server is in a few words, and how that looks. */
export function pulse(state) {
  if (state.faults.length) return { level: "bad", told: things(state.faults.length, "faulty slot") };
  const waiting = state.lanes.reduce((sum, lane) => sum + lane.waiting, 0);
  const told = `${state.running} of ${things(state.slots, "slot")}`;
  if (waiting > state.running) return { level: "full", told: `${told}, ${count(waiting)} wait` };
  return state.running ? { level: "busy", told } : { level: "idle", told: "idle" };
}

/** Show what is live. */
export function showLive(body, history) {
  const { state } = history.last;
  const busy = history.line((point) => point.busy);
  put(
    body,
    make(
      "div.tiles",
      {},
      tile("Slots", `${state.running} of ${state.slots}`, `${share(busy.at(-1) ?? 0)} busy`, spark(busy, 1)),
      tile("Waiting", things(state.waiting_tokens, "token"), `of ${count(state.queue_tokens)} that may wait`),
      ...state.caches.map((one) => tile(`Kept ${one.name}`, kept(one), `${bytes(one.bytes)}, of ${count(one.hits + one.misses)} asked for`)),
    ),
    state.faults.length ? make("p.notice", {}, `Slots that ended or are stuck: ${state.faults.join("; ")}`) : null,
    lanes(history),
  );
}

function kept(cache) {
  const all = cache.hits + cache.misses;
  return all ? share(cache.hits / all) : "–";
}

function lanes(history) {
  const point = history.points.at(-1);
  const rows = history.last.state.lanes.map((lane, place) => {
    const tokens = history.line((one) => one.lanes[place].tokens);
    return make(
      "tr",
      {},
      make("th", { scope: "row" }, lane.name, make("small", {}, LANES[lane.name] ?? "")),
      make("td.number", { "data-name": "Waiting jobs" }, count(lane.waiting)),
      make("td.number", { "data-name": "Runs a second" }, count(point?.lanes[place].runs ?? 0)),
      make("td.number", { "data-name": "Tokens a second" }, count(point?.lanes[place].tokens ?? 0)),
      make("td.spark", { "data-name": "Last minutes" }, spark(tokens, Math.max(1, ...tokens))),
    );
  });
  const heads = ["Lane", "Waiting jobs", "Runs a second", "Tokens a second", "Tokens, last minutes"];
  return make(
    "table.wide.lanes",
    {},
    make("caption.hidden", {}, "Lanes, most urgent first"),
    make("thead", {}, make("tr", {}, heads.map((name, place) => make(place > 0 && place < 4 ? "th.number" : "th", { scope: "col" }, name)))),
    make("tbody", {}, rows),
  );
}

function tile(name, value, told, chart = null) {
  return make("section.tile", {}, make("h2", {}, name), make("p.value", {}, value), make("p", {}, told), chart);
}

function spark(values, most) {
  const x = linear(0, KEPT - 1, 0, WIDTH);
  const y = linear(0, most, HEIGHT - 1, 2);
  const points = values.map((value, place) => `${x(KEPT - values.length + place).toFixed(1)} ${y(value).toFixed(1)}`);
  const shape = points.length ? `M${points.join("L")}` : "";
  const first = x(KEPT - values.length).toFixed(1);
  return draw(
    "svg.line",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" },
    shape ? draw("path.area", { d: `${shape}V${HEIGHT}H${first}Z` }) : null,
    shape ? draw("path.stroke", { d: shape }) : null,
  );
}

/** Return what the server runs, and its limits. */
export async function described() {
  const found = await call("Inference/Describe", {});
  const limits = found.limits ?? {};
  return make(
    "div.models",
    {},
    model("Stage one: dual encoder", found.embedder),
    found.lateInteraction ? model("Between: late interaction", found.lateInteraction) : null,
    model("Stage two: cross-encoder", found.reranker),
    facts("Limits", [
      ["Version", found.version],
      ["Slots", `${found.slots}, of ${things(found.threads, "thread")}`],
      ["Candidates of a search", count(limits.maxCandidates)],
      ["Texts in a call", count(limits.maxBatch)],
      ["A text", bytes(limits.maxTextBytes)],
      ["A request", bytes(limits.maxRequestBytes)],
      ["Stage two, where no candidates are named", ms(limits.autoBudgetMs)],
    ]),
  );
}

function model(name, one) {
  const pairs = [
    ["Model", one.source],
    ["Variant", `${one.variant} (of ${one.variants.join(", ")})`],
    ["Runs on", one.provider],
    ["Window", things(one.maxTokens, "token")],
    one.dimensions ? ["Vector", things(one.dimensions, "number")] : null,
    one.similarityWeight ? ["Similarity weight", `${Number(one.similarityWeight.toFixed(3))}`] : null,
    one.fp32?.samples ? ["Beside fp32", `${share(one.fp32.common ?? 0)} of the first 10, over ${things(one.fp32.samples, "search")}`] : null,
    ["Fingerprint", one.fingerprint],
  ];
  return facts(name, pairs.filter(Boolean));
}

function facts(name, pairs) {
  return make("section.tile", {}, make("h2", {}, name), make("dl.facts", {}, pairs.map(([key, value]) => make("div", {}, make("dt", {}, key), make("dd", {}, value)))));
}
