// The steps of a text, back and forth.

/** Steps that are kept. */
const STEPS_MAX = 200;
/** Milliseconds within which what is typed is one step. */
const ONE_STEP = 1500;

export class History {
  constructor() {
    Object.assign(this, { steps: [], at: -1, typed: 0 });
  }

  /** A step, unless it is the one that stands. What is typed without a pause is one. */
  add(text, isTyped, now = performance.now()) {
    if (this.steps[this.at] === text) return;
    const isMore = isTyped && this.at > 0 && this.at === this.steps.length - 1 && now - this.typed < ONE_STEP;
    this.steps.splice(isMore ? this.at : this.at + 1);
    this.steps.push(text);
    if (this.steps.length > STEPS_MAX) this.steps.shift();
    this.at = this.steps.length - 1;
    this.typed = isTyped ? now : 0;
  }

  /** The step before what stands in the field; null if there is none. */
  back(shown) {
    // What is not settled yet is left behind as a step of its own.
    if (this.at >= 0 && shown !== this.steps[this.at]) this.add(shown, false);
    if (!this.hasPast()) return null;
    this.typed = 0;
    this.at -= 1;
    return this.steps[this.at];
  }

  /** The step after; null if there is none. */
  forth() {
    if (!this.hasFuture()) return null;
    this.at += 1;
    return this.steps[this.at];
  }

  hasPast() { return this.at > 0; }
  hasFuture() { return this.at < this.steps.length - 1; }
}
