// What is seen before anything is asked: what there is to ask, and a few of its titles.

import { call } from "./api.js";
import { make, put } from "./dom.js";
import { things } from "./format.js";
import { DEFAULTS, write } from "./settings.js";

const [LOOKED_AT, SHOWN, LONGEST] = [60, 5, 60];

/** Show a collection that nothing is asked of yet. */
export async function show(element, collection) {
  if (!Number(collection.documents ?? 0)) {
    put(
      element,
      make("h2", {}, "This collection has no documents"),
      make("p", {}, "Index some, from a terminal on this machine, then come back here:"),
      make("pre", {}, make("code", {}, `shortlist index --collection ${collection.name} docs/ README.md`)),
    ).hidden = false;
    return;
  }
  const names = make("p.names");
  put(
    element,
    make("h2", {}, `${things(collection.documents ?? 0, "document")} to ask`),
    make("p", {}, "Stage one finds candidates by vectors and words. Stage two reads each of them beside your question. See here what moved, why, and what it took."),
    names,
  ).hidden = false;
  const page = await call("Retrieval/List", { collection: collection.name, pageSize: LOOKED_AT });
  const titles = new Set((page.documents ?? []).map((document) => document.title)); // a file's passages share one
  const found = [...titles].filter((title) => title && title.length < LONGEST);
  const some = found.filter((_, place) => place % Math.ceil(found.length / SHOWN) === 0);
  const links = some.map((title) => make("a", { href: write({ ...DEFAULTS, collection: collection.name, q: title }) }, title));
  if (links.length) put(names, "In it, for example: ", links.flatMap((link) => [link, " "]));
}
