// One question at a time: a newer one takes the place of the last, whose call is cancelled and whose answer is dropped.
// So the server stops computing what nobody waits for, and what is shown is always of the newest question.

export class Latest {
  /**
   * @param {function(any, AbortSignal): Promise<any>} ask gets an answer
   * @param {function(any, any): void} show takes an answer and its question
   * @param {function(Error, any): void} fail takes an error and its question
   */
  constructor(ask, show, fail) {
    this.call = ask;
    this.show = show;
    this.fail = fail;
    this.timer = undefined;
    this.running = undefined;
  }

  /** Ask after `wait` milliseconds, unless something else is asked by then. */
  ask(question, wait = 0) {
    this.drop();
    this.timer = setTimeout(() => this.run(question), wait);
  }

  /** Forget what waits, and cancel what runs. */
  drop() {
    clearTimeout(this.timer);
    this.running?.abort();
    this.running = undefined;
  }

  async run(question) {
    const running = new AbortController();
    this.running = running;
    const isNewest = () => this.running === running;
    try {
      const answer = await this.call(question, running.signal);
      if (isNewest()) this.show(answer, question);
    } catch (error) {
      if (isNewest()) this.fail(error, question);
    }
  }
}
