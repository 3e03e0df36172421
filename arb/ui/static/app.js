// Which page is shown, by which filters (both stand in the address), and what is known of the engine now.
import { el, empty, money } from "./dom.js";
import { PAGES, STORY } from "./pages.js";
import { onState as onNow, steer } from "./now.js";
import { duration } from "./chart.js";

const FILTERS = ["since", "until", "venue", "symbol", "run", "kind"];
const main = document.getElementById("main"), strip = document.getElementById("strip"), form = document.getElementById("filters");
let about = { control: false }, state = { engine: "not running" }, shownNumber = 0, events = null;

export class Refused extends Error {
  constructor(status, text) { super(text); this.status = status; }
}

async function ask(path, options) {
  let answer;
  try { answer = await fetch(path, { credentials: "same-origin", ...options }); } catch { throw new Refused(0, "`arb ui` does not answer: is it still running?"); }
  const document = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, document.error || `answer ${answer.status}`);
  return document;
}

const post = (path, body) => ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
const chosen = () => new URLSearchParams(location.search);
const pageName = () => chosen().get("page") || "now";

function filtersOf(parameters) {
  const found = new URLSearchParams();
  for (const name of FILTERS) if (parameters.get(name)) found.set(name, parameters.get(name));
  return found;
}

export const linkTo = (page, more = {}) => {
  const found = filtersOf(chosen());
  found.set("page", page);
  for (const [name, value] of Object.entries(more)) found.set(name, value);
  return `?${found}`;
};

export function go(address) { history.pushState(null, "", address); show(true); }

const get = (name, more = {}) => {
  const found = filtersOf(chosen());
  for (const [key, value] of Object.entries(more)) found.set(key, value);
  return ask(`/api/${name}?${found}`);
};

async function show(moved = false) {
  const number = ++shownNumber, name = pageName();
  drawNav(name);
  for (const field of FILTERS) form.elements[field].value = chosen().get(field) || "";
  const page = name === "story" ? STORY : PAGES[name] || PAGES.now;
  document.title = `${page.title} · arb`;
  main.setAttribute("aria-busy", "true");
  let made;
  try {
    made = await page.make({ get, chosen: chosen(), state: () => state, about, act, linkTo });
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (error.status === 401) return login(error.message);
    made = [el("p", { class: "empty error", role: "alert" }, error.message)];
  }
  if (number !== shownNumber) return;
  main.replaceChildren(el("h1", {}, page.title), ...[made].flat());
  main.removeAttribute("aria-busy");
  main.dataset.shown = String(number);
  if (moved) main.focus({ preventScroll: true });
}

function drawNav(current) {
  document.getElementById("pages").replaceChildren(...Object.entries(PAGES).map(([name, page]) =>
    el("a", { href: linkTo(name), "aria-current": name === current || (name === "pairs" && current === "story") ? "page" : null }, page.title)));
}

function drawStrip() {
  const parts = [];
  if (state.engine === "not running") parts.push(el("span", { class: "badge warn" }, "no engine runs"));
  else {
    const active = state.state === "ACTIVE", exposed = Number(state.unhedged_notional || 0);
    parts.push(el("span", { class: `badge ${active ? "good" : "bad"}` }, state.halted ? `${state.state}: ${state.halted}` : state.state));
    const oldest = Math.max(0, ...(state.unhedged || []).map((row) => row.age_ms));
    parts.push(el("span", { class: exposed ? "bad" : "good" }, exposed ? `UNHEDGED ${money(state.unhedged_notional, 2)}, oldest ${duration(oldest / 1000)}` : "unhedged 0"));
    const at = state.about || {};
    parts.push(el("span", {}, [at.mark || at.mode, at.started_ns ? `up ${duration((Number(state.at_ns) - Number(at.started_ns)) / 1e9)}` : null].filter(Boolean).join(", ")));
    for (const [store, cause] of Object.entries(state.blocked || {})) parts.push(el("span", { class: "bad" }, `${store} blocked: ${cause}`));
  }
  const words = parts.map((part) => part.textContent).join("|").replace(/up [^|]*/, "");
  if (about.control) parts.push(...["halt", "resume", "flatten"].map((name) => el("button", { type: "button", id: `do-${name}`, onclick: () => act(name) }, name)));
  if (!strip.contains(document.activeElement) || strip.dataset.words !== words) strip.replaceChildren(...parts);
  strip.dataset.words = words;
}

function act(name, id = "") {
  steer(name, id, (asked) => post("/api/control", asked), () => show());
}

function login(text) {
  events?.close();
  main.replaceChildren(document.getElementById("login").content.cloneNode(true));
  main.removeAttribute("aria-busy");
  const asked = document.getElementById("token-form"), error = asked.querySelector(".error");
  error.textContent = text;
  asked.addEventListener("submit", async (event) => {
    event.preventDefault();
    try { await post("/api/session", { token: asked.elements.token.value.trim() }); await begin(); } catch (refused) { error.textContent = refused.message; }
  });
  asked.elements.token.focus();
}

function listen() {
  events?.close();
  events = new EventSource("/events");
  events.onmessage = (event) => { state = JSON.parse(event.data); drawStrip(); if (pageName() === "now") onNow(state, main); };
  events.onerror = () => { strip.replaceChildren(el("span", { class: "badge bad" }, "`arb ui` does not answer")); strip.dataset.words = ""; };
}

async function begin() {
  try { about = await ask("/api/about"); } catch (error) {
    if (error.status === 401) return login(error.message);
    main.replaceChildren(empty(error.message));
    return;
  }
  listen();
  await show();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const found = new URLSearchParams({ page: pageName() === "story" ? "pairs" : pageName() });
  for (const name of FILTERS) if (form.elements[name].value.trim()) found.set(name, form.elements[name].value.trim());
  go(`?${found}`);
});
document.getElementById("clear").addEventListener("click", () => go(`?page=${pageName() === "story" ? "pairs" : pageName()}`));
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href^='?']");
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) { event.preventDefault(); go(link.getAttribute("href")); }
});
addEventListener("popstate", () => show());

const token = location.hash.slice(1);
if (/^[0-9a-f]{64}$/.test(token)) {
  history.replaceState(null, "", location.pathname + location.search);  // before anything else can see it
  post("/api/session", { token }).then(begin, (error) => login(error.message));
} else begin();
