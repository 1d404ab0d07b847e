// Numbers as a person reads them. Pure.

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** Return a whole number with its thousands apart. */
export const count = (value) => WHOLE.format(Number(value));

/** Return a number of things: "1 document", "7,172 documents". */
export const things = (value, noun) => `${count(value)} ${noun}${Number(value) === 1 ? "" : "s"}`;

/** Return milliseconds, as exactly as they mean something. */
export function ms(value) {
  if (value >= 10_000) return `${(value / 1000).toFixed(1)} s`;
  if (value >= 10) return `${count(value)} ms`;
  return `${value.toFixed(1)} ms`;
}

/** Return a size. */
export function bytes(value) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let size = Number(value);
  let unit = 0;
  for (; size >= 1000 && unit < units.length - 1; unit += 1) size /= 1000;
  return `${unit === 0 || size >= 100 ? size.toFixed(0) : size.toFixed(1)} ${units[unit]}`;
}

/** Return a share of one in percent, with more digits near 100%. */
export const share = (value) => `${(100 * value).toFixed(value > 0.9 && value < 1 ? 1 : 0)}%`;

/** Return a score or a relevance: small ones keep two digits that differ from 0. */
export function score(value) {
  if (value === null || value === undefined) return "–";
  if (value !== 0 && value < 0.001) return value.toExponential(0).replace("e-", "e−");
  return value.toFixed(3);
}

/** Return a MaxSim. */
export const maxsim = (value) => (value === null ? "–" : value.toFixed(2).replace("-", "−"));

/** Return a cosine. */
export const cosine = (value) => (value < 0 ? "−" : "") + Math.abs(value).toFixed(2);

/** Return how far a document moved, as an arrow and a number that screens without colours tell as well. */
export function moved(places) {
  if (places === 0) return "=";
  return `${places > 0 ? "▲" : "▼"}${Math.abs(places)}`;
}

/** Return the same for a screen reader. */
export function movedWords(places) {
  if (places === 0) return "stayed";
  return `${places > 0 ? "up" : "down"} ${Math.abs(places)}`;
}

/** Return the beginning of a text in one line. */
export function line(text, most = 200) {
  const flat = text.slice(0, 4 * most).replace(/\s+/gu, " ").trim();
  return flat.length > most ? `${flat.slice(0, most)}…` : flat;
}

/** Return a date. */
export const day = (value) => new Date(value).toLocaleDateString("en", { year: "numeric", month: "short", day: "numeric" });
