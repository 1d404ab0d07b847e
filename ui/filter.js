// A filter as a person writes it to a shortlist.v1.Filter, in the form that `shortlist search --where` takes. Pure.
//
//     year >= 2020 and lang in (de, en) and not draft = true
//
// A bare word is a number, a date or time, true or false where it looks like one, else text; in quotes it is text. The
// grammar is that of cli/where.py, and a test holds the two together on the same filters.

const SPACE = /\s+/y;
const BARE = /[^\s(),'"=<>!]+/y;
const QUOTED = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/y;
const COMPARISON = /==|=|!=|>=|<=|>|</y;
const WORDS = Object.fromEntries(
  ["and", "or", "not", "in", "exists"].map((word) => [word, new RegExp(`${word}(?![^\\s(),'"=<>!])`, "iy")]),
);
const WHOLE = /^[+-]?\d+$/;
const NUMBER = /^[+-]?(\d+\.\d*|\.\d+|\d+)([eE][+-]?\d+)?$/;
const TIME = /^(\d{4})-(\d\d)-(\d\d)(?:[Tt](\d\d):(\d\d)(?::(\d\d)(\.\d+)?)?(?:[Zz]|([+-])(\d\d):(\d\d))?)?$/;
const SMALLEST = -(2n ** 63n);
const LARGEST = 2n ** 63n - 1n;
const BOUNDS = { ">": "gt", ">=": "gte", "<": "lt", "<=": "lte" };
const SHOWN = 30;

/** A filter that is none: the message names the place and what could stand there. */
export class FilterFault extends Error {}

/**
 * Read a filter.
 *
 * @returns {?object} a shortlist.v1.Filter as JSON; null for an empty text
 * @throws {FilterFault} it is none
 */
export function parse(text) {
  return text.trim() ? new Reader(text).whole() : null;
}

class Reader {
  constructor(text) {
    this.text = text;
    this.place = 0;
  }

  whole() {
    const found = this.some();
    this.space();
    if (this.place < this.text.length) this.refuse("and, or, or the end");
    return found;
  }

  some() {
    return this.joined("anyOf", "or", () => this.joined("allOf", "and", () => this.one()));
  }

  /** Read what stands between words of one kind; a and b and c is one filter of three. */
  joined(kind, word, read) {
    const found = [read()];
    while (this.take(WORDS[word])) found.push(read());
    if (found.length === 1) return found[0];
    return { [kind]: { filters: found.flatMap((one) => one[kind]?.filters ?? [one]) } };
  }

  one() {
    if (this.take(WORDS.not)) return { notOf: this.one() };
    if (this.punctuation("(")) {
      const inner = this.some();
      if (!this.punctuation(")")) this.refuse(") or and, or");
      return inner;
    }
    return this.condition(this.word("a field")[0]);
  }

  condition(path) {
    const sign = this.take(COMPARISON);
    if (sign) {
      const value = this.value();
      if (sign in BOUNDS) return { condition: { path, range: { [BOUNDS[sign]]: value } } };
      const equal = { condition: { path, equals: value } };
      return sign === "!=" ? { notOf: equal } : equal;
    }
    if (this.take(WORDS.in)) return { condition: { path, oneOf: { values: this.values() } } };
    if (this.take(WORDS.exists)) return { condition: { path, exists: true } };
    if (this.take(WORDS.not)) {
      if (!this.take(WORDS.in)) this.refuse("in");
      return { notOf: { condition: { path, oneOf: { values: this.values() } } } };
    }
    return this.refuse("=, !=, >, >=, <, <=, in, not in or exists");
  }

  values() {
    if (!this.punctuation("(")) this.refuse("(");
    const found = [this.value()];
    while (this.punctuation(",")) found.push(this.value());
    if (!this.punctuation(")")) this.refuse("a comma or )");
    return found;
  }

  value() {
    const [word, quoted] = this.word("a value");
    return quoted ? { text: word } : this.bare(word);
  }

  /** Return a word, and whether it was in quotes. */
  word(name) {
    const quoted = this.take(QUOTED);
    if (quoted) return [quoted.slice(1, -1).replace(/\\(.)/gu, "$1"), true];
    return [this.take(BARE) ?? this.refuse(name), false];
  }

  bare(word) {
    if (/^(true|false)$/iu.test(word)) return { truth: word.toLowerCase() === "true" };
    if (WHOLE.test(word)) {
      const value = BigInt(word.replace(/^\+/u, ""));
      if (value < SMALLEST || value > LARGEST) throw new FilterFault(`${word}: whole numbers have 64 bits; write it with a point`);
      return { integer: String(value) };
    }
    if (NUMBER.test(word)) {
      if (!Number.isFinite(Number(word))) throw new FilterFault(`${word}: numbers must be finite`);
      return { number: Number(word) };
    }
    const time = instant(word);
    return time ? { time } : { text: word };
  }

  space() {
    SPACE.lastIndex = this.place;
    if (SPACE.test(this.text)) this.place = SPACE.lastIndex;
  }

  take(pattern) {
    this.space();
    pattern.lastIndex = this.place;
    const [found] = pattern.exec(this.text) ?? [];
    if (found !== undefined) this.place += found.length;
    return found;
  }

  punctuation(sign) {
    this.space();
    if (this.text[this.place] !== sign) return false;
    this.place += 1;
    return true;
  }

  refuse(expected) {
    this.space();
    const rest = this.text.slice(this.place, this.place + SHOWN);
    const there = rest ? `there is “${rest}”` : "it ends there";
    throw new FilterFault(`Character ${this.place + 1}: ${there}, but ${expected} is expected.`);
  }
}

/** Return a date or time as RFC 3339 in UTC, or null where there is no such one. */
function instant(word) {
  const [, year, month, day, hour = "00", minute = "00", second = "00", part = "", sign, hours = "0", minutes = "0"] =
    TIME.exec(word) ?? [];
  if (year === undefined || year === "0000") return null;
  const written = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  // Date counts a 30th of February as the 1st or 2nd of March, and 24:00 as the next day.
  if (Number.isNaN(written.getTime()) || written.getUTCDate() !== Number(day) || hour === "24") return null;
  if (Number(hours) > 23 || Number(minutes) > 59) return null;
  const offset = (sign === "-" ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000;
  const whole = new Date(written.getTime() - offset).toISOString().slice(0, 19);
  const digits = part.slice(0, 7).replace(/\.?0*$/u, "");
  return `${whole}${digits}Z`;
}
