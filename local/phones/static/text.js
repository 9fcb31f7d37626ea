// Small pure functions: elements, numbers, times, segments. Text is data: it only ever becomes a
// text node, never markup.

/** An element with properties, `data-` attributes under `data`, and children (nodes or strings). */
export function el(tag, properties = {}, ...children) {
  const { data = {}, attributes = {}, ...rest } = properties;
  const element = Object.assign(document.createElement(tag), rest);
  Object.assign(element.dataset, data);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** "+12125550142" as "+1 212 555 0142"; other countries' numbers in groups of three. */
export function pretty(number) {
  const north = /^\+1(\d{3})(\d{3})(\d{4})$/.exec(number);
  if (north) return `+1 ${north[1]} ${north[2]} ${north[3]}`;
  return number.replace(/^(\+\d{2})(\d+)$/, (_, country, rest) =>
    `${country} ${rest.replace(/\d{3}(?=\d{2,})/g, "$& ")}`);
}

/** What someone typed as E.164, or null: ten digits are North American. */
export function e164(typed) {
  const digits = typed.replace(/[\s().-]/g, "");
  if (/^\+[1-9]\d{6,14}$/.test(digits)) return digits;
  if (/^[2-9]\d{9}$/.test(digits)) return `+1${digits}`;
  if (/^1[2-9]\d{9}$/.test(digits)) return `+${digits}`;
  return null;
}

const AREAS = ["212", "415", "312", "617", "206", "305", "512", "303", "404", "503"];

/** A number nobody owns: 555-0100 to 555-0199 are reserved for stories. */
export function inventNumber(taken) {
  for (;;) {
    const area = AREAS[Math.floor(Math.random() * AREAS.length)];
    const line = String(100 + Math.floor(Math.random() * 100)).padStart(4, "0");
    const number = `+1${area}555${line}`;
    if (!taken.includes(number)) return number;
  }
}

const BASIC = new Set("@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
  + "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà");
const EXTENDED = new Set("^{}\\[~]|€\f");

/** How many SMS a text takes: 160 septets or 70 UTF-16 units alone, 153 or 67 when joined. */
export function segments(text) {
  const letters = [...text];
  const plain = letters.every((letter) => BASIC.has(letter) || EXTENDED.has(letter));
  const width = plain ? (letter) => (EXTENDED.has(letter) ? 2 : 1) : (letter) => letter.length;
  const [alone, joined] = plain ? [160, 153] : [70, 67];
  const total = letters.reduce((sum, letter) => sum + width(letter), 0);
  if (total <= alone) return { count: 1, left: alone - total };
  let count = 1;
  let used = 0;
  for (const letter of letters) {
    if (used + width(letter) > joined) [count, used] = [count + 1, 0];
    used += width(letter);
  }
  return { count, left: joined - used };
}

const HOUR = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const SECOND = new Intl.DateTimeFormat("en-GB",
  { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short" });

export const hour = (time) => HOUR.format(time);
export const second = (time) => SECOND.format(time);
export const day = (time) => DAY.format(time);

/** Milliseconds as "84 ms", "1.2 s", "3 min", "2 h", "4 d". */
export function span(ms) {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`;
  if (ms < 172_800_000) return `${Math.round(ms / 3_600_000)} h`;
  return `${Math.round(ms / 86_400_000)} d`;
}

/** Seconds as "+1 d 2 h 10 min". */
export function offset(seconds) {
  const parts = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]].map(([unit, size]) => {
    const count = Math.floor(seconds / size);
    seconds -= count * size;
    return count ? `${count} ${unit}` : "";
  });
  return `+${parts.filter(Boolean).join(" ")}`;
}

export function median(values) {
  if (!values.length) return null;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

/** Words of the database as words of people: "company_title" as "company title". */
export const words = (name) => String(name ?? "").replaceAll("_", " ");
