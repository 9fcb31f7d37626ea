// Connects to the stack and draws what it tells.

import { Controls } from "./controls.js";
import { PhoneView } from "./phone.js";
import { Pipeline } from "./pipeline.js";
import { Store } from "./store.js";
import { day, e164, inventNumber, offset, pretty, second } from "./text.js";

const $ = (id) => document.getElementById(id);
const PARTS = { database: "the database", twilio: "the Twilio simulator", clock: "the controller" };

const store = new Store();
const views = new Map();
const pipeline = new Pipeline(store);
const controls = new Controls(store);

function draw() {
  store.fill();
  drawPhones();
  drawBar();
  pipeline.draw();
  controls.draw();
}

function drawPhones() {
  const strip = $("phones");
  for (const [number, view] of views) {
    if (!store.numbers.includes(number)) {
      view.root.remove();
      views.delete(number);
    }
  }
  for (const number of store.numbers) {
    let view = views.get(number);
    if (!view) {
      view = new PhoneView(number, store, () => {
        store.remove(number);
        draw();
      });
      views.set(number, view);
      strip.append(view.root);
    }
    view.draw();
  }
  const others = store.others();
  $("more").hidden = !others.length;
  $("more").textContent = `Show ${others.length} more ${others.length === 1 ? "phone" : "phones"} that texted`;
}

function drawBar() {
  const { config } = store;
  if (!config) return;
  $("number").textContent = pretty(config.number);
  badge($("badge-claude"), "Claude", config.claude_simulated);
  badge($("badge-twilio"), "Twilio", config.twilio_simulated);
  drawConnection();
  drawClock();
}

function badge(element, name, simulated) {
  element.textContent = `${name}: ${simulated ? "simulator" : "real"}`;
  element.classList.toggle("real", !simulated);
  element.title = simulated
    ? `${name} is played by a simulator on this machine. Nothing leaves it.`
    : `The real ${name} is used.`;
}

function drawConnection() {
  const away = Object.keys(PARTS).filter((part) => store.health[part] === false);
  const element = $("connection");
  const state = !store.connected ? "lost" : away.length ? "away" : "live";
  const text = {
    lost: "Reconnecting…",
    away: `Reconnecting to ${away.map((part) => PARTS[part]).join(" and ")}…`,
    live: "Live",
  }[state];
  element.dataset.state = state;
  if (element.textContent !== text) element.textContent = text;
}

function drawClock() {
  const now = store.now();
  $("now").textContent = `${day(now)}, ${second(now)}`;
  $("now").dateTime = new Date(now).toISOString();
  $("offset").textContent = store.offsetSeconds >= 1
    ? `${offset(Math.round(store.offsetSeconds))} ahead` : "real time";
}

function connect() {
  const stream = new EventSource("api/stream");
  stream.addEventListener("state", (event) => {
    store.connected = true;
    store.load(JSON.parse(event.data));
    draw();
  });
  stream.addEventListener("update", (event) => {
    store.apply(JSON.parse(event.data));
    draw();
  });
  stream.addEventListener("error", () => {
    store.connected = false;
    drawConnection();
    // A browser gives up on some errors for good; it must not here.
    if (stream.readyState === EventSource.CLOSED) setTimeout(connect, 1000);
  });
  window.addEventListener("pagehide", () => stream.close());
}

function show(number) {
  store.add(number);
  draw();
  const view = views.get(number);
  view.root.scrollIntoView({ behavior: "smooth", inline: "center", block: "nearest" });
  view.focus();
}

$("add").addEventListener("submit", (event) => {
  event.preventDefault();
  const number = e164($("add-number").value);
  const error = $("add-error");
  error.hidden = number !== null;
  if (number === null) {
    error.textContent = "Give a number with its country code, such as +1 212 555 0142.";
    return;
  }
  $("add-number").value = "";
  show(number);
});
$("add-random").addEventListener("click", () => show(inventNumber(store.numbers)));
$("more").addEventListener("click", () => {
  store.others().slice(0, 3).forEach((number) => store.add(number));
  draw();
});

setInterval(() => {
  drawConnection();
  if (!store.config) return;
  drawClock();
  for (const view of views.values()) view.tick();
}, 1000);
connect();
