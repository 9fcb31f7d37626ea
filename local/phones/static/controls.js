// The clock's buttons, "run now", and faults on demand.

import { el, words } from "./text.js";

const KINDS = {
  429: "429, slow down",
  500: "500, server error",
  529: "529, overloaded",
  timeout_before: "hangs, not accepted",
  timeout_after: "accepted, then hangs",
  garbage: "garbage instead of JSON",
  undelivered: "accepted, not delivered",
};
const SERVICES = {
  claude: ["Claude", ["429", "500", "529", "timeout_before", "timeout_after", "garbage"]],
  twilio: ["Twilio", ["429", "500", "timeout_before", "timeout_after", "garbage", "undelivered"]],
};
const TOAST_MS = 6000;

/** POST JSON; the answer, or an Error with one sentence. */
export async function post(path, payload) {
  let answer;
  try {
    answer = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(payload),
    });
  } catch {
    throw new Error("The page's server does not answer; try again in a moment.");
  }
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(content.error ?? `That did not work (${answer.status}).`);
  return content;
}

export function toast(text, failed = false) {
  const element = el("p", { className: failed ? "toast failed" : "toast", textContent: text });
  document.getElementById("toasts").append(element);
  setTimeout(() => element.remove(), TOAST_MS);
}

export class Controls {
  constructor(store) {
    this.store = store;
    this.forms = new Map();
    for (const button of document.querySelectorAll("[data-advance]")) {
      button.addEventListener("click", () => this.advance(button));
    }
  }

  draw() {
    const { config, faults } = this.store;
    if (!config) return;
    if (!this.built) this.build(config);
    let broken = 0;
    for (const [service, form] of this.forms) {
      const fault = faults[service];
      const active = Boolean(fault?.fail && fault.times);
      broken += active;
      form.now.textContent = active
        ? `Next ${fault.times}: ${KINDS[fault.fail] ?? fault.fail}` : "Works normally";
      form.now.classList.toggle("active", active);
      form.reset.disabled = !active;
    }
    const alarm = document.getElementById("alarm");
    alarm.hidden = !broken;
    alarm.title = "A service is made to fail";
  }

  build(config) {
    this.built = true;
    const schedules = document.getElementById("schedules");
    for (const name of config.schedules) {
      const button = el("button", { type: "button", textContent: words(name), data: { schedule: name } });
      button.addEventListener("click", () => this.run(name, button));
      schedules.append(button);
    }
    if (!config.schedules.length) schedules.append(el("p", { className: "hint" }, "None in this stack."));
    for (const [service, [label, kinds]] of Object.entries(SERVICES)) {
      if (config.controls[service]) this.addForm(service, label, kinds);
    }
    if (!this.forms.size) {
      document.getElementById("fault-forms").append(
        el("p", { className: "hint" }, "Only simulators can be made to fail; none is in use."));
    }
  }

  addForm(service, label, kinds) {
    const kind = el("select", { attributes: { "aria-label": `How ${label} fails` } },
      ...kinds.map((value) => el("option", { value, textContent: KINDS[value] })));
    const times = el("input", {
      type: "number", min: 1, max: 100, value: 1, attributes: { "aria-label": "How many times" },
    });
    const now = el("span", { className: "now" });
    const reset = el("button", { type: "button", textContent: "Mend" });
    const form = el("form", { className: "fault", data: { testid: `fault-${service}` } },
      el("strong", {}, label), now, el("div", { className: "row" },
        kind, times, el("button", { type: "submit", className: "primary" }, "Fail"), reset));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.order(service, { fail: kind.value, times: Number(times.value) },
        `${label} fails the next ${times.value}`);
    });
    reset.addEventListener("click", () =>
      this.order(service, { fail: null }, `${label} works normally again`));
    document.getElementById("fault-forms").append(form);
    this.forms.set(service, { now, reset });
  }

  async order(service, payload, done) {
    try {
      await post(`api/control/${service}`, payload);
      this.store.faults[service] = payload;
      this.draw();
      toast(done);
    } catch (error) {
      toast(error.message, true);
    }
  }

  async run(name, button) {
    await this.busy(button, async () => {
      await post(`api/schedules/${encodeURIComponent(name)}`, {});
      return `${words(name)} ran`;
    });
  }

  async advance(button) {
    await this.busy(button, async () => {
      const answer = await post("api/clock", { advance_s: Number(button.dataset.advance) });
      const ran = Object.keys(answer.ran ?? {});
      return `Clock moved ${button.textContent}`
        + (ran.length ? `; ${ran.map(words).join(" and ")} ran` : "");
    });
  }

  /** Keep a button disabled while its work runs, then tell how it ended. */
  async busy(button, work) {
    button.disabled = true;
    button.setAttribute("aria-busy", "true");
    try {
      toast(await work());
    } catch (error) {
      toast(error.message, true);
    } finally {
      button.disabled = false;
      button.removeAttribute("aria-busy");
    }
  }
}
