// What the server told us and which phones this browser keeps. No drawing here.

import { inventNumber } from "./text.js";

const KEY = "yachtparty.phones";
const FIRST_PHONES = 3;
export const MAX_DERIVED = 6;
const MAX_PER_PHONE = 60;
const MAX_OTHERS = 64;

export class Store {
  constructor() {
    this.config = null;
    this.offset = 0; // milliseconds between this browser's clock and the stack's
    this.offsetSeconds = 0;
    this.connected = false;
    this.seen = false;
    this.clear();
    this.restore();
  }

  clear() {
    this.health = {};
    this.faults = {};
    this.threads = new Map(); // phone → Map(sid → message)
    this.rows = new Map();
    this.members = new Map();
  }

  now() {
    return Date.now() + this.offset;
  }

  // Phones kept by this browser: {numbers: [...], hidden: {number: last seq seen}}

  restore() {
    let kept = null;
    try {
      kept = JSON.parse(localStorage.getItem(KEY));
    } catch {
      kept = null; // storage is off or holds something else: start anew
    }
    this.numbers = Array.isArray(kept?.numbers) ? kept.numbers : [];
    this.hidden = kept?.hidden && typeof kept.hidden === "object" ? kept.hidden : {};
  }

  keep() {
    try {
      localStorage.setItem(KEY, JSON.stringify({ numbers: this.numbers, hidden: this.hidden }));
    } catch {
      // Storage is off: phones live as long as this page.
    }
  }

  add(number) {
    delete this.hidden[number];
    if (!this.numbers.includes(number)) this.numbers.push(number);
    this.keep();
  }

  remove(number) {
    this.numbers = this.numbers.filter((other) => other !== number);
    this.hidden[number] = this.lastSeq(number);
    this.keep();
  }

  lastSeq(number) {
    return Math.max(0, ...this.messages(number).map((message) => message.seq));
  }

  /** Phones that texted but are not on the page, newest first. */
  others() {
    return [...this.threads.keys()].reverse().filter((number) =>
      !this.numbers.includes(number)
      && !(number in this.hidden && this.lastSeq(number) <= this.hidden[number]));
  }

  /** Take phones that texted onto the page while there is room; three new ones on a first visit. */
  fill() {
    for (const number of this.others()) {
      if (this.numbers.length >= MAX_DERIVED) break;
      this.add(number);
    }
    if (this.seen) return;
    this.seen = true;
    if (this.numbers.length || Object.keys(this.hidden).length) return;
    while (this.numbers.length < FIRST_PHONES) this.add(inventNumber(this.numbers));
  }

  // What the server tells

  load(picture) {
    this.clear();
    this.config = picture.config;
    this.apply({ ...picture, clock: picture.clock ? [picture.clock] : [] });
  }

  apply(update) {
    Object.assign(this.health, update.health);
    Object.assign(this.faults, update.faults);
    for (const clock of update.clock ?? []) {
      this.offset = Date.parse(clock.now) - Date.now();
      this.offsetSeconds = clock.offset_s;
    }
    for (const message of update.messages ?? []) {
      const thread = this.threads.get(message.phone) ?? new Map();
      const known = thread.get(message.sid);
      const at = Date.parse(message.date_created);
      thread.set(message.sid, { ...message, at, first: known?.first ?? message.seq });
      if (thread.size > MAX_PER_PHONE) thread.delete(thread.keys().next().value);
      this.threads.delete(message.phone); // to the end: newest last
      this.threads.set(message.phone, thread);
    }
    this.others().slice(MAX_OTHERS).forEach((number) => this.threads.delete(number));
    for (const row of update.rows ?? []) {
      if (row.gone) this.rows.delete(row.id);
      else this.rows.set(row.id, { ...row, time: Date.parse(row.at) });
    }
    for (const member of update.members ?? []) this.members.set(member.phone, member);
  }

  newestRows() {
    return [...this.rows.values()].sort((a, b) => b.order - a.order);
  }

  messages(number) {
    return [...(this.threads.get(number)?.values() ?? [])]
      .sort((a, b) => a.at - b.at || a.first - b.first);
  }

  /** Milliseconds from each answered text to its reply being handed to Twilio. */
  replyTimes() {
    const times = [];
    for (const number of this.threads.keys()) {
      let waiting = null;
      for (const message of this.messages(number)) {
        if (message.direction === "inbound") waiting ??= message.at;
        else if (waiting !== null && !message.auto) {
          times.push(message.at - waiting);
          waiting = null;
        }
      }
    }
    return times.filter((ms) => ms >= 0 && ms < 60_000).slice(-50);
  }

  /** First name, or the last four digits. */
  name(number) {
    return this.members.get(number)?.first_name || number.slice(-4);
  }

  colour(number) {
    const digits = [...number].reduce((sum, digit) => (sum * 31 + digit.charCodeAt(0)) % 9973, 7);
    const index = this.numbers.indexOf(number);
    return (index >= 0 ? index : digits) % 8;
  }
}
