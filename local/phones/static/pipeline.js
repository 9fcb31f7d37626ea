// What happens to a text beside the phones: stages, figures and a feed of rows.

import { day, el, hour, median, second, span, words } from "./text.js";

const KINDS = { event: "Events", call: "LLM calls", queue: "Queue", task: "Tasks" };
const STAGES = [
  ["text", "Texts", "Texts in, as Twilio got them"],
  ["event", "Events", "Rows of the events table that wait or run"],
  ["call", "Model", "Calls of the language model"],
  ["queue", "Queue", "Replies that wait or are being sent"],
  ["sent", "Delivered", "Replies that reached a phone"],
];
const WAITING = new Set(["open", "running", "retry", "queued", "sending", "held", "pending", "processing"]);
const SHOWN = 80;
const PULSE_MS = 900;

export class Pipeline {
  constructor(store) {
    this.store = store;
    this.kind = "";
    this.items = new Map(); // row id → {element, shape}
    this.counts = {};
    this.stages = new Map();
    this.feed = document.getElementById("feed");
    this.whose = document.getElementById("whose");
    this.whose.addEventListener("change", () => this.draw());
    this.buildRail();
    this.buildFilters();
  }

  buildRail() {
    const rail = document.getElementById("rail");
    for (const [key, label, title] of STAGES) {
      const count = el("b", { textContent: "0" });
      const stage = el("li", { title, data: { stage: key } },
        count, el("span", { textContent: label }));
      rail.append(stage);
      this.stages.set(key, { stage, count });
    }
  }

  buildFilters() {
    const filters = document.getElementById("filters");
    this.buttons = new Map();
    for (const [kind, label] of [["", "All"], ...Object.entries(KINDS)]) {
      const button = el("button", { type: "button", data: { kind } }, label);
      button.addEventListener("click", () => {
        this.kind = kind;
        this.draw();
      });
      filters.append(button);
      this.buttons.set(kind, button);
    }
  }

  draw() {
    this.drawWhose();
    const phone = this.whose.value;
    const all = this.store.newestRows().filter((row) => !phone || row.phone === phone);
    this.drawRail(all, phone);
    this.drawFigures(all);
    for (const [kind, button] of this.buttons) {
      button.setAttribute("aria-pressed", String(kind === this.kind));
    }
    this.drawFeed(all.filter((row) => !this.kind || row.kind === this.kind).slice(0, SHOWN));
  }

  drawWhose() {
    const { numbers } = this.store;
    const shape = numbers.map((number) => number + this.store.name(number)).join();
    if (shape === this.whoseShape) return;
    this.whoseShape = shape;
    const chosen = this.whose.value;
    this.whose.replaceChildren(el("option", { value: "", textContent: "All phones" }),
      ...numbers.map((number) =>
        el("option", { value: number, textContent: `Only ${this.store.name(number)}` })));
    this.whose.value = numbers.includes(chosen) ? chosen : "";
  }

  drawRail(rows, phone) {
    const threads = phone ? [phone] : [...this.store.threads.keys()];
    const messages = threads.flatMap((number) => this.store.messages(number));
    const waiting = (kind) =>
      rows.filter((row) => row.kind === kind && WAITING.has(row.state)).length;
    const counts = {
      text: messages.filter((message) => message.direction === "inbound").length,
      event: waiting("event"),
      call: rows.filter((row) => row.kind === "call").length,
      queue: waiting("queue"),
      sent: messages.filter((m) => m.direction !== "inbound" && m.status === "delivered").length,
    };
    // Something that came and went between two looks passed through all the same.
    const passed = {
      ...counts,
      event: rows.filter((row) => row.kind === "event").length + counts.event * 0.001,
      queue: rows.filter((row) => row.kind === "queue").length + counts.queue * 0.001,
    };
    for (const [key, { stage, count }] of this.stages) {
      count.textContent = counts[key];
      stage.classList.toggle("busy", ["event", "queue"].includes(key) && counts[key] > 0);
      if (this.counts[key] !== undefined && this.phone === phone && passed[key] > this.counts[key]) {
        pulse(stage);
      }
    }
    this.counts = passed;
    this.phone = phone;
  }

  drawFigures(rows) {
    const calls = rows.filter((row) => row.kind === "call");
    const sum = (key) => calls.reduce((total, row) => total + Number(row[key] ?? 0), 0);
    const reply = median(this.store.replyTimes());
    const latency = median(calls.map((row) => row.latency_ms).filter((ms) => ms !== null));
    const figures = [
      ["Reply", reply === null ? "–" : span(reply), "Median, from a text to its reply being handed to Twilio"],
      ["Latency", latency === null ? "–" : span(latency), "Median latency of the LLM calls shown"],
      ["Tokens", compact(sum("tokens_in") + sum("tokens_out")), "Tokens in and out of the LLM calls shown"],
      ["Cost", money(sum("cost_usd")), "Cost of the LLM calls shown, US dollars"],
    ];
    const shape = JSON.stringify(figures);
    if (shape === this.figuresShape) return;
    this.figuresShape = shape;
    document.getElementById("figures").replaceChildren(...figures.map(([label, value, title]) =>
      el("div", { title }, el("dt", { textContent: label }), el("dd", { textContent: value }))));
  }

  drawFeed(rows) {
    const present = new Set(rows.map((row) => row.id));
    for (const [id, item] of this.items) {
      if (present.has(id)) continue;
      item.element.remove();
      this.items.delete(id);
    }
    const nodes = rows.map((row) => this.item(row));
    if (!nodes.length) {
      nodes.push(this.empty ??= el("li", { className: "empty" },
        "Nothing has happened yet. Text from a phone and watch it pass through here."));
    }
    let before = this.feed.firstChild;
    for (const node of nodes) {
      if (node === before) before = before.nextSibling;
      else this.feed.insertBefore(node, before);
    }
    while (before) {
      const next = before.nextSibling;
      before.remove();
      before = next;
    }
  }

  item(row) {
    const shape = JSON.stringify(row) + this.store.name(row.phone ?? "") + this.store.colour(row.phone ?? "");
    const known = this.items.get(row.id);
    if (known?.shape === shape) return known.element;
    const element = known?.element ?? el("li", {
      data: { testid: `pipeline-${row.kind}`, kind: row.kind, id: row.id },
    });
    const open = element.querySelector("details")?.open ?? false;
    element.dataset.state = row.state;
    element.replaceChildren(this.details(row, open));
    this.items.set(row.id, { element, shape });
    return element;
  }

  details(row, open) {
    return el("details", { open },
      el("summary", {},
        el("span", { className: "kind", title: KINDS[row.kind] }),
        el("span", { className: "main" },
          el("span", { className: "title", textContent: title(row) }),
          el("span", { className: "sub" }, this.owner(row), ...about(row))),
        el("span", { className: "side" },
          el("span", { className: "chip", data: { kind: row.state }, textContent: stateWord(row) }),
          el("time", { dateTime: row.at, title: new Date(row.time).toLocaleString(), textContent: second(row.time) }))),
      el("pre", { tabIndex: 0, textContent: row.detail || "No details." }));
  }

  owner(row) {
    if (!row.phone) return null;
    return el("span", { className: "whose", data: { colour: this.store.colour(row.phone) } },
      this.store.name(row.phone));
  }
}

function title(row) {
  if (row.kind === "call") return `${words(row.agent)} · ${row.title}`;
  if (row.kind === "queue") return row.text || `${row.title}, to be written`;
  return row.title;
}

function about(row) {
  const parts = {
    event: () => [words(row.brief), row.agent && `by ${words(row.agent)}`, row.attempt > 1 && `attempt ${row.attempt}`],
    call: () => [
      row.tokens_in !== null && `${compact(row.tokens_in)} → ${compact(row.tokens_out ?? 0)} tokens`,
      row.cost_usd !== null && money(Number(row.cost_usd)),
    ],
    queue: () => [
      `${row.title} by ${words(row.agent)}`,
      row.total > 1 && `part ${row.position} of ${row.total}`,
      row.state === "held" && `until ${planned(row.due)}`,
    ],
    task: () => [words(row.agent), row.state === "pending" && `due ${planned(row.due)}`,
      row.attempt > 1 && `attempt ${row.attempt}`],
  }[row.kind]();
  const said = row.state === "retry" ? `again at ${second(Date.parse(row.note))}` : words(row.note);
  const note = row.note && el("span", { className: "note", textContent: said });
  return [...parts.filter(Boolean).map((text) => el("span", { textContent: text })), note].filter(Boolean);
}

/** A planned time: the hour, with its day unless that is today's. */
function planned(time) {
  const at = Date.parse(time);
  return day(at) === day(Date.now()) ? hour(at) : `${day(at)}, ${hour(at)}`;
}

function stateWord(row) {
  if (row.kind === "call" && row.state === "done") {
    return row.latency_ms === null ? "done" : span(row.latency_ms);
  }
  return row.state;
}

function pulse(stage) {
  stage.classList.remove("pulse");
  void stage.offsetWidth; // restarts the animation
  stage.classList.add("pulse");
  setTimeout(() => stage.classList.remove("pulse"), PULSE_MS);
}

function compact(count) {
  return new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(count);
}

function money(dollars) {
  if (!dollars) return "$0";
  return `$${dollars < 0.01 ? dollars.toFixed(5) : dollars.toFixed(dollars < 1 ? 3 : 2)}`;
}
