// The calls of the search view: the search itself, and what is asked beside it.

import { call } from "./api.js";
import { request } from "./settings.js";

/** Search; return the answer, and how long it took to come. */
export async function send(asked, signal) {
  const began = performance.now();
  const answer = await call("Retrieval/Search", request(asked, asked.filter), { signal, timeoutMs: asked.budget });
  return { answer, tookMs: performance.now() - began };
}

/** Return the ids of the documents that the reranker did not read whole, and whether the embedder read the question so. */
export async function cutOff({ asked, rows }, signal) {
  const texts = rows.map((row) => (row.title ? `${row.title} ${row.text}` : row.text));
  const given = { texts, model: "MODEL_RERANKER", query: asked.q };
  const question = { texts: [asked.q], model: "MODEL_EMBEDDER", kind: "TEXT_KIND_QUERY" };
  const [pairs, alone] = await Promise.all([given, question].map((one) => call("Inference/Tokenize", one, { signal })));
  const cut = rows.filter((_, place) => pairs.tokenizations[place].truncated).map((row) => row.id);
  return { ids: new Set(cut), isQuestionCut: alone.tokenizations[0].truncated };
}

/** Return what stage one finds for a question where no stage two follows, as `shortlist eval` asks it: so deep, and fused by scores. */
export async function stageOneAlone(asked, signal) {
  const { collection, q: query, source, filter } = asked;
  const how = { mode: "MODE_DENSE", candidatesFrom: source || "CANDIDATES_FROM_HYBRID", topK: 200, ...(filter ? { where: filter } : {}) };
  const { hits } = await call("Retrieval/Search", { collection, query, ...how }, { signal });
  return (hits ?? []).map((hit) => hit.id);
}
