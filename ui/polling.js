// Something asked again and again, while the page is seen: less often when it fails, and not at all in a hidden tab.

const SLOWEST_MS = 30_000;

export class Polling {
  /**
   * @param {function(): Promise<any>} ask
   * @param {function(any): void} show
   * @param {function(Error): void} fail
   * @param {{hidden: boolean, addEventListener: function}} page the document
   */
  constructor(ask, show, fail, page = document) {
    this.ask = ask;
    this.show = show;
    this.fail = fail;
    this.page = page;
    this.every = 2000;
    this.failures = 0;
    this.timer = undefined;
    this.asking = false;
    page.addEventListener("visibilitychange", () => (page.hidden ? clearTimeout(this.timer) : this.now()));
  }

  /** Ask at once, and every so many milliseconds from then on. */
  start(every = this.every) {
    this.every = every;
    return this.now();
  }

  /** Ask at once where the last time failed, instead of after a while. */
  retry() {
    if (this.failures) this.now();
  }

  async now() {
    clearTimeout(this.timer);
    if (this.asking || this.page.hidden) return;
    this.asking = true;
    try {
      const answer = await this.ask();
      this.failures = 0;
      this.show(answer);
    } catch (error) {
      this.failures += 1;
      this.fail(error);
    } finally {
      this.asking = false;
      if (!this.page.hidden) this.timer = setTimeout(() => this.now(), this.wait());
    }
  }

  /** Return how long to wait: twice as long after each failure. */
  wait() {
    return Math.min(this.every * 2 ** this.failures, SLOWEST_MS);
  }
}
