// Thumbs up and down: judgements, saved on the server's disk as they are made, as `shortlist eval` reads them.

import { get, send } from "./api.js";

export class Judging {
  /**
   * @param {function(): void} changed called when judgements are other than before
   * @param {function(Error): void} fail
   */
  constructor(changed, fail) {
    this.changed = changed;
    this.fail = fail;
    this.collection = "";
    this.folder = "";
    this.grades = new Map(); // question -> {document: grade}
    this.saving = Promise.resolve();
  }

  /** Read the judgements of a collection. */
  async load(collection) {
    this.collection = collection;
    this.grades = new Map();
    try {
      const found = await get("judgements", { collection });
      if (this.collection !== collection) return;
      this.folder = found.folder;
      this.grades = new Map(found.queries.map((one) => [one.query, one.grades]));
      this.changed();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Return the judgements of a question, by document. */
  of(query) {
    return this.grades.get(query.trim()) ?? {};
  }

  /** Return how many judgements there are. */
  get total() {
    return [...this.grades.values()].reduce((sum, grades) => sum + Object.keys(grades).length, 0);
  }

  /** Judge a document, or take the same judgement back; it is shown at once, and undone if it cannot be saved. */
  judge(asked, document, wanted) {
    const query = asked.trim();
    const before = this.of(query);
    const isBack = document in before && before[document] > 0 === wanted > 0;
    const after = { ...before, [document]: wanted };
    if (isBack) delete after[document];
    this.set(query, after);
    const message = { collection: this.collection, query, document, grade: isBack ? null : wanted };
    // One after the other: two of one document must be saved in the order in which they were made.
    this.saving = this.saving.then(() => this.save(message, before));
    return isBack ? null : wanted;
  }

  async save(message, before) {
    try {
      await send("judgements", message);
    } catch (error) {
      if (message.collection === this.collection) this.set(message.query, before);
      this.fail(error);
    }
  }

  set(query, grades) {
    this.grades.set(query, grades);
    this.changed();
  }
}
