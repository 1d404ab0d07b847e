// Thumbs up and down: judgements, saved on the server's disk as they are made, as `shortlist eval` reads them.

import { get, send } from "./api.js";

/** What is said of one collection's answers. */
class Judgements {
  folder = "";
  questions = new Map(); // question -> {document: grade}

  /** Return how many there are. */
  get total() {
    return [...this.questions.values()].reduce((sum, grades) => sum + Object.keys(grades).length, 0);
  }
}

export class Judging {
  /**
   * @param {function(): void} changed called when judgements are other than before
   * @param {function(Error): void} fail
   */
  constructor(changed, fail) {
    this.changed = changed;
    this.fail = fail;
    this.collections = new Map();
    this.saving = Promise.resolve();
  }

  /** Read the judgements of a collection, once. */
  async load(collection) {
    const { questions, folder } = this.in(collection);
    if (folder) return;
    try {
      const found = await get("judgements", { collection });
      this.in(collection).folder = found.folder;
      // What was judged meanwhile stays.
      for (const { query, grades } of found.queries) questions.set(query, { ...grades, ...questions.get(query) });
      this.changed();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Return the judgements of a collection. */
  in(collection) {
    if (!this.collections.has(collection)) this.collections.set(collection, new Judgements());
    return this.collections.get(collection);
  }

  /** Return the judgements of a question to a collection, by document. */
  of({ collection, q }) {
    return this.in(collection).questions.get(q.trim()) ?? {};
  }

  /**
   * Judge a document, or take the same judgement back; it is shown at once, and undone if it cannot be saved.
   *
   * @param {{collection: string, q: string}} asked whose answer the document is in
   * @returns {Promise<?number|undefined>} the grade once it is saved, null where it is taken back, or undefined
   */
  async judge(asked, document, wanted) {
    const before = this.of(asked)[document] ?? null;
    const grade = before !== null && before > 0 === wanted > 0 ? null : wanted;
    this.set(asked, document, grade);
    const message = { collection: asked.collection, query: asked.q.trim(), document, grade };
    // One after the other: two of one document must be saved in the order in which they were made.
    const saved = this.saving.then(() => send("judgements", message));
    this.saving = saved.catch(() => undefined);
    try {
      await saved;
      return grade;
    } catch (error) {
      this.set(asked, document, before);
      this.fail(new Error(`The judgement is not saved. ${error.message}`));
      return undefined;
    }
  }

  set(asked, document, grade) {
    const { [document]: _, ...others } = this.of(asked);
    this.in(asked.collection).questions.set(asked.q.trim(), grade === null ? others : { ...others, [document]: grade });
    this.changed();
  }
}
