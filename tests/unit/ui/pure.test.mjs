// The page's pure modules: run by node, see test_modules.py. UI is the folder that they are in.

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { pathToFileURL } from "node:url";

const load = (name) => import(pathToFileURL(`${process.env.UI}/${name}`));
const format = await load("format.js");
const ranks = await load("ranks.js");
const scales = await load("scales.js");
const settings = await load("settings.js");
const { Latest } = await load("latest.js");
const { Polling } = await load("polling.js");

const answer = {
  hits: [
    { id: "c", score: 0.9, logit: 2.2, relevance: 0.8, similarity: 0.4, rank: 3, denseRank: 3 },
    { id: "a", score: 0.5, logit: 0, relevance: 0.5, similarity: 0.6, rank: 1, lexicalRank: 1 },
    { id: "d", score: 0.1, logit: -2.2, relevance: 0.2, similarity: 0.3, rank: 4 },
    { id: "b", similarity: 0.5, rank: 2 },
  ],
  candidates: 4,
  reranked: 3,
  degraded: "DEGRADED_DEADLINE",
};

test("rows say what moved where, and which were not read", () => {
  const found = ranks.rows(answer);
  assert.deepEqual(found.map((row) => [row.id, row.place, row.rank, row.moved, ranks.way(row)]), [
    ["c", 1, 3, 2, "up"],
    ["a", 2, 1, -1, "down"],
    ["d", 3, 4, 1, "up"],
    ["b", 4, 2, -2, "unread"],
  ]);
  assert.deepEqual(ranks.stageOne(found).map((row) => row.id), ["a", "b", "c", "d"]);
  assert.equal(ranks.leftOut(answer), "the deadline came first");
  assert.equal(ranks.leftOut({ candidates: 4, reranked: 4 }), "");
  assert.deepEqual(ranks.rows({}), []);
});

test("late interaction alone is the last stage: what it scored was read, and its order is the final one", () => {
  const late = {
    hits: [
      { id: "b", similarity: 0.5, rank: 2, maxsim: 6.5, maxsimRank: 1 },
      { id: "a", similarity: 0.75, rank: 1, maxsim: 0, maxsimRank: 2 },
      { id: "c", similarity: 0.25, rank: 3 },
    ],
    mode: "MODE_LATE_INTERACTION",
    candidates: 3,
    maxsimScored: 2,
    degraded: "DEGRADED_DEADLINE",
  };
  assert.deepEqual(ranks.rows(late).map((row) => [row.id, row.maxsim, ranks.way(row)]), [
    ["b", 6.5, "up"],
    ["a", 0, "down"],
    ["c", null, "unread"],
  ]);
  assert.deepEqual([ranks.scored(late), ranks.leftOut(late)], [2, "the deadline came first"]);
  const cascade = { ...late, mode: "MODE_CASCADE", reranked: 1, degraded: "DEGRADED_NONE", limitedBy: "LIMITED_BY_MARGIN" };
  assert.deepEqual(ranks.rows(cascade).map(ranks.way), ["unread", "unread", "unread"]);
  assert.deepEqual([ranks.scored(cascade), ranks.leftOut(cascade)], [1, "too far behind the best by MaxSim"]);
});

test("a line begins and ends in the middle of its rows", () => {
  assert.equal(ranks.curve(17, 51, 100), "M0 17C50 17 50 51 100 51");
});

test("nDCG is 1 for the best order, 0 where nothing relevant is found, none where nothing is relevant", () => {
  assert.equal(ranks.ndcg(["a"], { a: 1 }), 1);
  assert.equal(ranks.ndcg(["b"], { a: 1, b: 0 }), 0);
  assert.equal(ranks.ndcg(["a"], { a: 0 }), null);
});

test("the line between the first and the rest parts them, whatever the similarity counts", () => {
  const rows = [[0.2, 1.5], [0.5, 0.2], [0.1, 0.9], [0.6, -1.8]].map(([similarity, logit]) => ({ similarity, logit }));
  for (const weight of [0, 3, 30]) {
    const ordered = [...rows].sort((one, other) => other.logit + weight * other.similarity - one.logit - weight * one.similarity);
    const level = scales.cutLine(ordered, 2, weight);
    assert.deepEqual(ordered.map((row) => row.logit > level(row.similarity)), [true, true, false, false]);
  }
  assert.equal(scales.cutLine(rows, 4, 1), null);
});

test("ticks are round and inside", () => {
  assert.deepEqual(scales.ticks(0, 1, 5).map((one) => one.toFixed(1)), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
  assert.ok(scales.scoreTicks(scales.logit(0.004), scales.logit(0.3)).length >= 3);
  assert.ok(scales.scoreTicks(-12, 12).length <= 5);
  const [low, high] = scales.ends([0.5], 0.1);
  assert.ok(low < 0.5 && high > 0.5);
});

test("numbers as a person reads them", () => {
  assert.deepEqual([0, 0.44, 9.96, 10.4, 480.2, 12_345].map(format.ms), ["0.0 ms", "0.4 ms", "10.0 ms", "10 ms", "480 ms", "12.3 s"]);
  assert.deepEqual([0, 999, 1000, 26_917_664, 3e14].map(format.bytes), ["0 B", "999 B", "1.0 KB", "26.9 MB", "300 TB"]);
  assert.deepEqual([null, 0, 0.000_04, 0.106, 1].map(format.score), ["–", "0.000", "4e−5", "0.106", "1.000"]);
  assert.deepEqual([3, -12, 0].map(format.moved), ["▲3", "▼12", "="]);
  assert.deepEqual([3, -12, 0].map(format.movedWords), ["up 3", "down 12", "stayed"]);
  assert.deepEqual([[1, "document"], [7172, "document"]].map(([value, noun]) => format.things(value, noun)), ["1 document", "7,172 documents"]);
  assert.deepEqual([1, 0.996, 0.5].map(format.share), ["100%", "99.6%", "50%"]);
  assert.equal(format.cosine(-0.123), "−0.12");
  assert.equal(format.line(" a\n\n b "), "a b");
});

test("an address comes back as the settings that made it, and nonsense as the defaults", () => {
  const chosen = { collection: "c-1", q: "what & why #?", candidates: 75, weight: 0, budget: 150, source: "CANDIDATES_FROM_DENSE", mode: "MODE_LATE_INTERACTION", where: 'a = "x y"' };
  assert.deepEqual(settings.read(settings.write(chosen)), { view: "search", settings: chosen });
  assert.equal(settings.write(settings.DEFAULTS), "#/search");
  assert.deepEqual(settings.read("#/search?candidates=-3&weight=x&budget=1e99&source=EVIL&mode=EVIL").settings, settings.DEFAULTS);
  assert.equal(settings.read("#/server").view, "server");
  assert.equal(settings.read("#/nowhere").view, "search");
});

test("sliders keep to what the server allows, and the model's own weight is a step", () => {
  assert.deepEqual(settings.candidateSteps(30), [0, 5, 10, 15, 20, 30]);
  assert.ok(settings.weightSteps(7.54).includes(7.54));
  assert.equal(settings.nearest([5, 10, 50], 12), 1);
  const asked = settings.request({ ...settings.DEFAULTS, q: "q", collection: "c" }, null);
  assert.deepEqual([asked.topK, asked.candidates, asked.mode], [50, undefined, "MODE_TWO_STAGE"]);
  assert.equal(settings.request({ ...settings.DEFAULTS, mode: "MODE_CASCADE" }, null).mode, "MODE_CASCADE");
  const named = settings.request({ ...settings.DEFAULTS, candidates: 75 }, null);
  assert.deepEqual([named.topK, named.candidates], [75, 75]);
  // What a budget leaves time for is seen where no score is kept from before.
  assert.equal(settings.request({ ...settings.DEFAULTS, budget: 100 }, null).fresh, true);
  assert.ok(!("similarityWeight" in asked) && !("where" in asked) && !("fresh" in asked));
});

test("a newer question cancels the one under way, and its answer is dropped", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const asked = [];
  const shown = [];
  const failed = [];
  const ask = (question, signal) => new Promise((resolve) => asked.push({ question, signal, resolve }));
  const latest = new Latest(ask, (found) => shown.push(found), (error) => failed.push(error));
  latest.ask("a", 100);
  mock.timers.tick(50);
  latest.ask("ab", 100); // before the first was sent
  mock.timers.tick(100);
  assert.deepEqual(asked.map((one) => one.question), ["ab"]);
  latest.ask("abc");
  assert.ok(asked[0].signal.aborted);
  mock.timers.tick(0);
  asked[1].resolve("new");
  asked[0].resolve("old");
  await new Promise(setImmediate);
  assert.deepEqual([shown, failed], [["new"], []]);
  mock.timers.reset();
});

test("polling waits longer after failures, and not at all in a hidden tab", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  let changed;
  let works = true;
  let asked = 0;
  const page = { hidden: false, addEventListener: (_, listener) => (changed = listener) };
  const ask = async () => {
    asked += 1;
    if (!works) throw new Error("no answer");
  };
  const polling = new Polling(ask, () => undefined, () => undefined, page);
  const pass = async (time) => {
    mock.timers.tick(time);
    await new Promise(setImmediate);
  };
  await polling.start(1000);
  await pass(1000);
  assert.equal(asked, 2);
  works = false;
  await pass(1000);
  await pass(1000); // twice as long after the first failure
  assert.equal(asked, 3);
  await pass(1000);
  assert.equal(asked, 4);
  page.hidden = true;
  changed();
  await pass(60_000);
  assert.equal(asked, 4);
  works = true;
  page.hidden = false;
  changed();
  await new Promise(setImmediate);
  assert.equal(asked, 5);
  await pass(1000);
  assert.equal(asked, 6);
  polling.retry(); // nothing failed
  await new Promise(setImmediate);
  assert.equal(asked, 6);
  works = false;
  await pass(1000);
  works = true;
  polling.retry();
  await new Promise(setImmediate);
  assert.equal(asked, 8);
  mock.timers.reset();
});

test("a key is asked for once, kept for the tab, and sent with what comes after", async () => {
  const kept = new Map();
  globalThis.sessionStorage = { getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => kept.set(name, value) };
  const asked = [];
  const answers = [" typed ", "another", null];
  globalThis.prompt = (words) => (asked.push(words), answers.shift());
  const { headersOf, key, renewed } = await load("key.js");
  assert.deepEqual(headersOf(key()), {});
  assert.equal(renewed(""), true);
  assert.deepEqual(headersOf(key()), { "x-api-key": "typed" });
  assert.equal(renewed(""), true, "a call that went before the key was there goes again without a question");
  assert.equal(renewed("typed"), true);
  assert.equal(key(), "another");
  assert.equal(renewed("another"), false, "nothing was typed");
  assert.equal(renewed("another"), false);
  assert.equal(asked.length, 3);
});
