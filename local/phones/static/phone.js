// One phone: its thread, its composer, its member card.

import { post, toast } from "./controls.js";
import { day, el, hour, pretty, segments, span, words } from "./text.js";

const TICKS = {
  accepted: ["○", "Queued at Twilio"],
  queued: ["○", "Queued at Twilio"],
  sending: ["○", "Being sent"],
  sent: ["✓", "Sent to the carrier"],
  delivered: ["✓✓", "Delivered to this phone"],
  read: ["✓✓", "Read"],
  received: ["✓", "Received by Twilio"],
  undelivered: ["!", "Not delivered"],
  failed: ["!", "Failed"],
};
const STEPS = [
  ["referrer", "Referrer"], ["name", "Name"], ["company_title", "Work"], ["email", "E-mail"],
];
const TRY = ["Hi, what is this?", "I'm Jane Doe, CTO at Acme", "HELP"];
const WAIT_MS = 10 * 60_000;
const SLOW_MS = 8_000;
const MAX_PICTURE_BYTES = 5_000_000;
/** The address that proves an e-mail, as the bouncer's text ends with it. */
const WRITE_TO = /\bverify\+\w+@[\w.-]+\w$/;

export class PhoneView {
  constructor(number, store, onClose) {
    this.number = number;
    this.store = store;
    this.bubbles = new Map(); // key → element
    const template = document.getElementById("phone-template");
    this.root = template.content.firstElementChild.cloneNode(true);
    this.root.dataset.number = number;
    const find = (selector) => this.root.querySelector(selector);
    this.parts = {
      dot: find(".dot"), standing: find(".chip"), time: find(".phone-time"), thread: find(".thread"),
      form: find(".composer"), box: find("textarea"), send: find(".send"), count: find(".segments"),
      file: find("input[type=file]"), attached: find(".attached"), notice: find(".notice"),
      card: find(".card"), theirs: find(".their-number"),
    };
    const label = pretty(number);
    find("h3").textContent = label;
    this.root.setAttribute("aria-label", `Phone ${label}`);
    this.parts.thread.setAttribute("aria-label", `Texts of ${label}`);
    this.parts.box.setAttribute("aria-label", `Text message from ${label}`);
    find(".close").setAttribute("aria-label", `Put away ${label}`);
    find(".close").addEventListener("click", onClose);
    this.listen();
  }

  listen() {
    const { form, box, file, attached } = this.parts;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    box.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.send();
    });
    box.addEventListener("input", () => this.measure());
    this.pinned = true;
    const { thread } = this.parts;
    const end = () => thread.scrollHeight - thread.clientHeight;
    thread.addEventListener("scroll", () => {
      this.pinned = end() - thread.scrollTop < 40;
    }, { passive: true });
    // Who reads the latest text goes on doing so when the window or a picture changes its size.
    new ResizeObserver(() => {
      if (this.pinned) thread.scrollTop = end();
    }).observe(thread);
    file.addEventListener("change", () => this.attach(file.files[0] ?? null));
    attached.querySelector("button").addEventListener("click", () => this.attach(null));
    this.measure();
  }

  focus() {
    this.parts.box.focus({ preventScroll: true });
  }

  // Writing

  measure() {
    const { box, count, send } = this.parts;
    box.style.height = "auto";
    // Nothing to measure before the phone is on the page; one line then.
    box.style.height = box.scrollHeight ? `${Math.min(box.scrollHeight + 2, 112)}px` : "";
    const size = segments(box.value);
    count.textContent = size.count > 1 || size.left < 40 ? `${size.left}/${size.count}` : "";
    count.title = `${size.count} SMS, ${size.left} characters left in the last one`;
    send.disabled = !box.value && !this.picture;
  }

  attach(file) {
    const { attached, file: input } = this.parts;
    if (this.preview) URL.revokeObjectURL(this.preview);
    this.preview = null;
    if (file && file.size > MAX_PICTURE_BYTES) {
      this.complain("A picture must be smaller than 5 MB.");
      file = null;
    }
    this.picture = file;
    if (file) {
      this.preview = URL.createObjectURL(file);
      attached.querySelector("img").src = this.preview;
    } else {
      input.value = "";
    }
    attached.hidden = !file;
    this.measure();
  }

  complain(sentence) {
    this.parts.notice.textContent = sentence;
    this.parts.notice.hidden = !sentence;
  }

  async send(text = this.parts.box.value) {
    const { box } = this.parts;
    const picture = this.picture;
    if ((!text && !picture) || this.sending) return;
    this.sending = true;
    this.complain("");
    try {
      const media = picture ? [await this.upload(picture)] : [];
      await post("api/phones/send", { from: this.number, body: text, media });
      if (box.value === text) box.value = "";
      this.attach(null);
    } catch (error) {
      this.complain(`Not sent: ${error.message}`);
    } finally {
      this.sending = false;
      this.measure();
    }
  }

  async upload(file) {
    const answer = await fetch("api/phones/media", {
      method: "POST", headers: { "Content-Type": file.type }, body: file,
    });
    const content = await answer.json();
    if (!answer.ok) throw new Error(content.error);
    return content;
  }

  // Drawing

  draw() {
    const { store, number, parts } = this;
    const member = store.members.get(number) ?? null;
    const messages = store.messages(number);
    this.root.dataset.colour = store.colour(number);
    if (store.config) {
      parts.theirs.textContent = pretty(store.config.number);
      parts.box.disabled = !store.config.can_text;
      if (!store.config.can_text) parts.box.placeholder = "Only real phones text here";
    }
    this.drawStanding(member);
    this.drawThread(messages);
    this.drawCard(member);
    this.messages = messages;
    this.member = member;
    this.tick();
  }

  drawStanding(member) {
    const [text, kind] = standing(member);
    this.parts.standing.textContent = text;
    this.parts.standing.dataset.kind = kind;
  }

  drawThread(messages) {
    const { thread } = this.parts;
    const nodes = [];
    let lastDay = null;
    let asked = null;
    for (const message of messages) {
      const date = day(message.at);
      if (date !== lastDay) nodes.push(this.keyed(`day ${date}`, () => dayMark(date)));
      lastDay = date;
      const node = this.keyed(message.sid, () => bubble(message));
      if (message.direction === "inbound") asked ??= message.at;
      const answered = message.direction === "inbound" || message.auto || asked === null
        ? null : message.at - asked;
      if (message.direction !== "inbound") asked = null;
      drawTick(node, message, answered);
      nodes.push(node);
    }
    if (!messages.length) nodes.push(this.keyed("empty", () => this.welcome()));
    place(thread, nodes);
    const newest = messages.at(-1)?.sid;
    if (newest !== this.newest && (this.pinned || messages.at(-1)?.direction === "inbound")) {
      this.scroll = true;
    }
    this.newest = newest;
  }

  keyed(key, make) {
    if (!this.bubbles.has(key)) this.bubbles.set(key, make());
    return this.bubbles.get(key);
  }

  welcome() {
    return el("div", { className: "welcome" },
      el("p", {}, "A new number. Text anything to begin, for example:"),
      ...TRY.map((text) => {
        const button = el("button", { type: "button", textContent: text });
        button.addEventListener("click", () => {
          this.parts.box.value = text;
          this.measure();
          this.focus();
        });
        return button;
      }));
  }

  /** What changes with time alone: the phone's clock and the waiting indicator. */
  tick() {
    const { store, parts } = this;
    parts.time.textContent = hour(store.now());
    this.drawWaiting();
    if (this.scroll) {
      parts.thread.scrollTop = parts.thread.scrollHeight;
      this.pinned = true;
      this.scroll = false;
    }
  }

  drawWaiting() {
    const last = this.messages?.at(-1);
    const age = last ? this.store.now() - last.at : 0;
    if (last?.direction !== "inbound" || age > WAIT_MS) {
      this.waiting?.remove();
      this.waiting = null;
      return;
    }
    if (!this.waiting) {
      this.waiting = el("div", { className: "waiting", data: { testid: "waiting" } },
        el("span", { className: "dots", attributes: { "aria-hidden": "true" } },
          el("i"), el("i"), el("i")),
        el("span", { className: "why" }));
      this.scroll = this.pinned;
    }
    const quiet = this.member?.opted_out;
    this.waiting.classList.toggle("still", Boolean(quiet));
    const why = quiet ? "Opted out: recorded, not answered" : this.progress(age);
    const label = this.waiting.querySelector(".why");
    if (label.textContent !== why) label.textContent = why;
    if (this.parts.thread.lastElementChild !== this.waiting) this.parts.thread.append(this.waiting);
  }

  /** Where the text is on its way, as far as the pipeline shows it. */
  progress(age) {
    const rows = [...this.store.rows.values()].filter((row) => row.phone === this.number);
    const taken = age > SLOW_MS ? ` (${span(age)})` : "";
    if (rows.some((row) => row.kind === "queue" && ["queued", "sending"].includes(row.state))) {
      return `Reply is queued${taken}`;
    }
    const texts = rows.filter((row) => row.title === "user.message.received");
    if (texts.some((row) => row.state === "running")) return `Thinking${taken}`;
    if (texts.some((row) => row.state === "retry")) return `Will be tried again${taken}`;
    if (texts.some((row) => row.state === "dead")) return "Given up: see the pipeline";
    return `Waiting for a reply${taken}`;
  }

  drawCard(member) {
    const writeTo = this.writeTo(member);
    const shape = JSON.stringify([member, writeTo]);
    if (shape === this.cardShape) return;
    this.cardShape = shape;
    const button = writeTo ? this.mailButton(member.email, writeTo) : null;
    this.parts.card.replaceChildren(...card(member, button));
  }

  /** Where this phone was last told to write to, while that is still to be done. */
  writeTo(member) {
    if (!this.store.config?.can_mail || !member?.email || member.email_verified) return null;
    const told = this.store.messages(this.number).findLast((message) =>
      message.direction !== "inbound" && WRITE_TO.test(message.body ?? ""));
    return told ? told.body.match(WRITE_TO)[0] : null;
  }

  mailButton(from, to) {
    const button = el("button", {
      type: "button", textContent: "Send the mail", title: `Let the mail simulator deliver a mail from ${from} to ${to}`,
      data: { testid: "send-mail" },
    });
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        await post("api/phones/mail", { from, to });
        toast(`The simulator delivered a mail from ${from}`);
      } catch (error) {
        toast(error.message, true);
      } finally {
        button.disabled = false;
      }
    });
    return button;
  }
}

/** The member's standing in two words, and its kind for colour. */
function standing(member) {
  if (!member) return ["New number", "new"];
  if (member.opted_out) return ["Opted out", "out"];
  if (member.verified) return ["Member", "member"];
  return member.onboarded ? ["In review", "wait"] : ["Onboarding", "open"];
}

function card(member, mailButton) {
  if (!member) return [el("p", { className: "nobody" }, "Not known to the database yet.")];
  const name = [member.first_name, member.last_name].filter(Boolean).join(" ");
  const work = [member.title, member.company].filter(Boolean).join(", ");
  const email = member.email
    ? el("p", { className: "email" }, el("span", { textContent: member.email }),
      el("em", { className: member.email_verified ? "yes" : "no" },
        member.email_verified ? "verified" : mailButton ? "" : "not verified"), mailButton)
    : el("p", { className: "email missing" }, "No e-mail yet");
  return [
    el("div", { className: "who" },
      el("strong", { className: name ? "" : "missing", textContent: name || "No name yet" }),
      el("span", { className: "agent", title: "The agent this member talks to" }, words(member.agent))),
    el("p", { className: work ? "" : "missing", textContent: work || "No company and title yet" }),
    email,
    steps(member),
  ];
}

function steps(member) {
  const done = {
    referrer: member.referrer || member.steps.includes("referrer") || member.onboarded,
    name: Boolean(member.first_name && member.last_name),
    company_title: Boolean(member.company && member.title),
    email: Boolean(member.email && member.email_verified),
  };
  const list = STEPS.map(([key, label]) => [label, done[key] || member.verified]);
  list.push(["Approved", member.verified]);
  const current = list.findIndex(([, isDone]) => !isDone);
  return el("ol", { className: "steps", attributes: { "aria-label": "Onboarding" } },
    ...list.map(([label, isDone], index) => el("li", {
      className: isDone ? "done" : index === current ? "now" : "",
      title: `${label}: ${isDone ? "done" : index === current ? "next" : "open"}`,
    }, el("span", { textContent: label }), el("span", { className: "hidden" }, isDone ? " done" : " open"))));
}

function dayMark(date) {
  return el("p", { className: "day", textContent: date });
}

function bubble(message) {
  const mine = message.direction === "inbound";
  const side = message.auto ? "system" : mine ? "mine" : "theirs";
  const pictures = (message.media ?? []).map(picture);
  return el("div", {
    className: `bubble ${side}`,
    data: { testid: "bubble", sid: message.sid, direction: message.direction },
  },
  message.auto ? el("small", {}, "Answered by Twilio") : null,
  ...pictures,
  message.body ? el("p", { textContent: message.body }) : null,
  el("footer", {}, el("time", { dateTime: message.date_created, textContent: hour(message.at) }),
    el("span", { className: "tick", data: { testid: "tick" } })));
}

function picture(media) {
  const own = media.url.startsWith(`${location.origin}/media/`);
  const gone = () => el("span", { className: "no-picture" }, "Picture");
  if (!own) return gone();
  const image = el("img", { src: media.url, alt: "Attached picture", className: "picture" });
  image.addEventListener("error", () => image.replaceWith(gone()));
  return image;
}

function drawTick(node, message, answered) {
  const shape = `${message.status} ${message.error_code} ${answered}`;
  if (node.dataset.shape === shape) return;
  node.dataset.shape = shape;
  node.dataset.status = message.status;
  const [sign, title] = TICKS[message.status] ?? ["○", words(message.status)];
  const full = message.error_code ? `${title} (error ${message.error_code})` : title;
  const tick = node.querySelector(".tick");
  tick.textContent = sign;
  tick.title = full;
  tick.setAttribute("role", "img");
  tick.setAttribute("aria-label", full);
  const time = node.querySelector("time");
  time.title = [new Date(message.at).toLocaleString(), message.sid,
    answered === null ? "" : `answered in ${span(answered)}`].filter(Boolean).join("\n");
}

/** Make `nodes` the children; only add at the end when possible, so that nothing is read twice. */
function place(parent, nodes) {
  const present = [...parent.children].filter((child) => !child.classList.contains("waiting"));
  const grows = present.length <= nodes.length && present.every((child, i) => child === nodes[i]);
  if (!grows) {
    parent.replaceChildren(...nodes);
    return;
  }
  parent.append(...nodes.slice(present.length));
}
