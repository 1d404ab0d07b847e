// The collections of the server: how many documents, how large, and what their searches find.

import { call, get } from "./api.js";
import { make, put } from "./dom.js";
import { bytes, count, day, share } from "./format.js";
import { write, DEFAULTS } from "./settings.js";

const STATES = {
  RECALL_STATE_EXACT: ["exact", "every search compares all vectors"],
  RECALL_STATE_UNMEASURED: ["not measured yet", "too few searches were done again to say"],
  RECALL_STATE_MET: ["met", "the target is met"],
  RECALL_STATE_MISSED: ["missed", "the target is missed with the widest beam that walk_ms allows"],
};

/** Return the server's collections, the largest first. */
export async function list(limits) {
  const found = await call("Retrieval/ListCollections", {}, limits);
  return (found.collections ?? []).sort((one, other) => Number(other.documents ?? 0) - Number(one.documents ?? 0));
}

/** Show all collections. */
export async function show(body) {
  const [collections, { sizes }] = await Promise.all([list(), get("sizes")]);
  if (!collections.length) return put(body, none());
  const heads = [["Name"], ["Documents", "number"], ["On disk", "number"], ["Recall"], ["Token vectors"], ["Embedder"], ["Words"], ["Made"]];
  const head = make("tr", {}, heads.map(([name, kind]) => make(`th${kind ? `.${kind}` : ""}`, { scope: "col" }, name)));
  const rows = collections.map((one) => row(one, sizes[one.name]));
  return put(body, make("table.wide", {}, make("caption.hidden", {}, "Collections"), make("thead", {}, head), make("tbody", {}, rows)));
}

/** Return what to do where there is no collection. */
export function none() {
  return make(
    "div.empty",
    {},
    make("h2", {}, "No documents yet"),
    make("p", {}, "Index some, from a terminal on this machine, then come back here:"),
    make("pre", {}, make("code", {}, "shortlist index --collection notes docs/ README.md")),
  );
}

function row(one, size) {
  const search = make("a", { href: write({ ...DEFAULTS, collection: one.name }) }, one.name);
  const quantized = one.quantization === "QUANTIZATION_INT8" ? ", as int8" : "";
  return make(
    "tr",
    {},
    make("th", { scope: "row" }, search),
    cell("Documents", "number", count(one.documents ?? 0)),
    cell("On disk", "number", size === undefined ? "–" : bytes(size)),
    cell("Recall", "", ...recall(one.recall ?? {})),
    cell("Token vectors", "", ...tokenVectors(one)),
    cell("Embedder", "", one.embedder, make("small", {}, `${one.dimensions} numbers a vector${quantized}`)),
    cell("Words", "", one.language ?? "none"),
    cell("Made", "", day(one.createdAt)),
  );
}

/** Return what a collection has of token vectors, for late interaction, and what they cost or why they are not used. */
function tokenVectors(one) {
  const found = one.tokenVectors ?? {};
  const cost = `${count(found.vectors ?? 0)}, ${bytes(found.sizeBytes ?? 0)}`;
  if (found.state === "TOKEN_VECTORS_STATE_READY") return [cost, make("small", {}, `${found.dimensions} numbers a vector`)];
  if (found.state === "TOKEN_VECTORS_STATE_MAKING") return ["being made", make("small", {}, `of ${count(found.documents ?? 0)} of ${count(one.documents ?? 0)}`)];
  return found.state === "TOKEN_VECTORS_STATE_UNUSABLE" ? ["not used", make("small", {}, found.fault)] : ["none"];
}

function cell(name, kind, ...inside) {
  return make(`td${kind ? `.${kind}` : ""}`, { "data-name": name }, make("div", {}, inside));
}

function recall(found) {
  const [state, told] = STATES[found.state] ?? ["–", ""];
  const error = found.error ? ` ± ${(100 * found.error).toFixed(1)}` : "";
  const measured = found.measured === undefined ? null : `${share(found.measured)}${error}`;
  const details = [`target ${share(found.target ?? 0)}`];
  if (found.samples) details.push(`${count(found.samples)} searches`);
  if (found.beam) details.push(`beam ${found.beam}`);
  return [make(`span.state.${state.split(" ")[0]}`, { title: told }, measured ? `${measured}, ${state}` : state), make("small", {}, details.join(", "))];
}
