// What the browser keeps of a person's choices, where it may: with cookies refused, there is no storage at all.

/** Return what was kept under a name, or something else. */
export function kept(name, otherwise) {
  try {
    return localStorage.getItem(`shortlist.${name}`) ?? otherwise;
  } catch {
    return otherwise;
  }
}

/** Keep a value under a name. */
export function keep(name, value) {
  try {
    localStorage.setItem(`shortlist.${name}`, value);
  } catch {
    // It holds until the page is closed.
  }
}
