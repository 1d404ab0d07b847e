// The key that a server asks for: a person types it, and it is kept for this tab alone.

const NAME = "shortlist.key";
let isRefused = false;

/** Return the key; empty where there is none. */
export function key() {
  try {
    return sessionStorage.getItem(NAME) ?? "";
  } catch {
    return "";
  }
}

/** Return the headers that a call has for its key. */
export const headersOf = (value) => (value ? { "x-api-key": value } : {});

/**
 * Ask for another key than the one that a call had, unless it has been given meanwhile.
 *
 * @returns {boolean} whether there is one; a person who gives none is not asked again before the page is opened anew
 */
export function renewed(used) {
  if (key() !== used) return true;
  if (isRefused) return false;
  const given = prompt(used ? "The server does not know this key. Another one?" : "The server asks for a key.")?.trim();
  isRefused = !given;
  if (given) keep(given);
  return !isRefused && key() === given;
}

function keep(value) {
  try {
    sessionStorage.setItem(NAME, value);
  } catch {
    // With storage refused there is no place for it, and the call stays refused.
  }
}
