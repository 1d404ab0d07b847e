// How to search: what the sliders can be set to, and all of it as the page's address. Pure.

/** How many candidates stage two may read; 0 is what a client gets that names none: as many as the server has time for. */
const CANDIDATES = [0, 5, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200, 300, 500, 750, 1000];
const WEIGHTS = [0, 0.5, 1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 100];
/** Milliseconds; 0 is none, the server's own deadline. */
export const BUDGETS = [50, 75, 100, 150, 200, 300, 400, 500, 750, 1000, 2000, 5000, 0];

/** Return the steps of candidates that a server allows. */
export const candidateSteps = (most) => CANDIDATES.filter((count) => count <= most);

/** Return the steps of weights, the reranker's own among them. */
export const weightSteps = (own) => [...new Set([...WEIGHTS, own])].sort((one, other) => one - other);

/** Return the place of the step that is nearest to a value. */
export function nearest(steps, value) {
  const away = steps.map((step) => Math.abs(step - value));
  return away.indexOf(Math.min(...away));
}

/** What is asked where nothing was chosen. `weight` null: the reranker's own. */
export const DEFAULTS = Object.freeze({ collection: "", q: "", candidates: 0, weight: null, budget: 0, source: "", mode: "", where: "" });

/**
 * Return the view and the settings that an address names.
 *
 * @param {string} hash such as "#/search?q=stop+the+server"
 */
export function read(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/u, "").split("?", 2);
  const given = new URLSearchParams(query);
  const number = (name, most) => {
    const value = Number.parseFloat(given.get(name) ?? "");
    return value >= 0 && value <= most ? value : DEFAULTS[name];
  };
  return {
    view: ["collections", "server"].includes(path) ? path : "search",
    settings: {
      collection: given.get("collection") ?? DEFAULTS.collection,
      q: given.get("q") ?? DEFAULTS.q,
      candidates: Math.round(number("candidates", CANDIDATES.at(-1))),
      weight: number("weight", WEIGHTS.at(-1)),
      budget: number("budget", 600_000),
      source: /^CANDIDATES_FROM_(?:DENSE|LEXICAL)$/u.test(given.get("source") ?? "") ? given.get("source") : DEFAULTS.source,
      mode: /^MODE_(?:CASCADE|LATE_INTERACTION)$/u.test(given.get("mode") ?? "") ? given.get("mode") : DEFAULTS.mode,
      where: given.get("where") ?? DEFAULTS.where,
    },
  };
}

/** Return the address of a search; what is as by default is left out. */
export function write(settings) {
  const given = Object.entries(settings).filter(([name, value]) => value !== DEFAULTS[name]);
  const query = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
  return given.length ? `#/search?${query}` : "#/search";
}

/**
 * Return the request of a search: all candidates are hits, so that both orders are told; 50 where none are named.
 *
 * @param {?object} where a shortlist.v1.Filter
 */
export function request(settings, where) {
  return {
    collection: settings.collection,
    query: settings.q,
    topK: settings.candidates || 50,
    ...(settings.candidates ? { candidates: settings.candidates } : {}),
    mode: settings.mode || "MODE_TWO_STAGE",
    includeText: true,
    includeMetadata: true,
    ...(settings.weight === null ? {} : { similarityWeight: settings.weight }),
    ...(settings.source ? { candidatesFrom: settings.source } : {}),
    // Scores that the server kept would hide what a budget leaves time for.
    ...(settings.budget ? { fresh: true } : {}),
    ...(where ? { where } : {}),
  };
}
