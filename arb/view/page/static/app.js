// Which page is shown, by which filters (both stand in the address), and what is known of the engine now.
import { clock, el, empty, learn, money } from "./dom.js";
import { routeOf } from "./books.js";
import { PAGES, STORY } from "./pages.js";
import { renew, steer } from "./now.js";
import { duration } from "./chart.js";
import { Refused, ask, events, forget, open, post, signed } from "./session.js";

const FILTERS = ["since", "until", "venue", "symbol", "run", "kind"];
const main = document.getElementById("main"), strip = document.getElementById("strip"), form = document.getElementById("filters");
const UNFILTERED = ["now", "books", "story"];  // what is so now, and one pair, have no rows to choose from
const READ_EVERY_MS = 2000, RENEW_EVERY_MS = 15000, CHEAP_MS = 500, AGAIN_MS = 1000, AGAIN_MOST_MS = 15000;
let about = { control: false }, state = { engine: "not running" }, read = {}, readAt = -Infinity, shownNumber = 0, listening = null, looked = "", tookMs = 0;

const chosen = () => new URLSearchParams(location.search);
const pageName = () => chosen().get("page") || "now";
const pageOf = (name) => (name === "story" ? STORY : PAGES[name] || PAGES.now);
const context = (renewing = false) => ({ get: renewing ? (name, more) => get(name, more, { headers: { "Arb-Renewal": "1" } }) : get, chosen: chosen(), state: () => state, read: readLedger, about, act, linkTo, go });

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

// Asks with the filters of the address; `options` of the request.
const get = (name, more = {}, options = {}) => {
  const found = filtersOf(chosen());
  for (const [key, value] of Object.entries(more)) found.set(key, value);
  return ask(`/api/${name}?${found}`, options);
};

async function show(moved = false, renewing = false) {
  const number = ++shownNumber, name = pageName(), begun = performance.now();
  if (!renewing) drawNav(name);
  form.hidden = UNFILTERED.includes(name);
  if (!renewing) for (const field of FILTERS) form.elements[field].value = chosen().get(field) || "";
  const page = pageOf(name);
  document.title = `${page.title} · arb`;
  main.setAttribute("aria-busy", "true");
  if (!main.firstChild) main.append(el("p", { class: "dim" }, "loading"));
  let made;
  try {
    made = await page.make(context(renewing));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (error.status === 401) return login(error.message);
    made = [el("p", { class: "empty error", role: "alert" }, error.message)];
  }
  if (number !== shownNumber) return;
  tookMs = performance.now() - begun;
  const refresh = page.live ? null : el("p", { class: "dim" }, `as of ${clock()} UTC `, el("button", { type: "button", onclick: () => show(true) }, "refresh"));
  main.replaceChildren(el("div", { class: "title" }, el("h1", {}, page.title), refresh ?? ""), ...made.flat().filter(Boolean));
  main.removeAttribute("aria-busy");
  look();
  redraw();  // a state that came meanwhile
  main.dataset.shown = String(number);
  if (moved) main.focus({ preventScroll: true });
}

function drawNav(current) {
  document.getElementById("pages").replaceChildren(...Object.entries(PAGES).map(([name, page]) =>
    el("a", { href: linkTo(name), "aria-current": name === current || (name === "pairs" && current === "story") ? "page" : null }, page.title)), UNFILTERED.includes(current) ? "" : unfold());
}

// Where there is little room the filters are folded away, and a button shows which are set.
function unfold() {
  const set = FILTERS.map((field) => chosen().get(field)).filter(Boolean).join(", ");
  const button = el("button", { type: "button", id: "unfold", "aria-controls": "filters", "aria-expanded": "false", onclick: () => {
    button.setAttribute("aria-expanded", String(!form.classList.toggle("folded")));
  } }, set ? `filters: ${set}` : "filters");
  form.classList.add("folded");
  return button;
}

// What the ledger has beside the engine's state: asked for by the page Now alone, every 2 s; what cannot be read is left out.
async function readLedger() {
  if (performance.now() - readAt > READ_EVERY_MS) {
    readAt = performance.now();
    const [today, alerts] = await Promise.all(["today", "alerts"].map((name) => ask(`/api/${name}`).catch((error) => { if (error.status === 401) throw error; return null; })));
    read = { ...(today && { today }), ...(alerts && { alerts }) };
  }
  return read;
}

// Draws what a page shows of the present state, where it shows any.
async function redraw() {
  const number = shownNumber, page = pageOf(pageName());
  if (!page.live || main.hasAttribute("aria-busy")) return;
  const made = await page.make(context()).catch(() => null);
  if (made && number === shownNumber && !main.hasAttribute("aria-busy")) renew(main, made);
}

// The books of a route are sent while somebody looks at them: another stream names it, and the one before it ends.
function look() {
  const route = pageName() === "books" && !document.hidden && routeOf(chosen(), state), wanted = route ? `?${new URLSearchParams(route)}` : "";
  if (route && !chosen().get("buy")) history.replaceState(null, "", `${wanted}&page=books`);  // another edge may be the best one soon
  if (wanted !== looked && listening) listen(wanted);
}

function drawStrip() {
  const at = state.about || {}, parts = [el("span", { class: "brand" }, "arb"), el("span", { class: "badge mode" }, (at.mark || at.mode || about.mode || "").toUpperCase())];
  if (state.engine === "not running") parts.push(el("span", { class: "badge warn" }, "no engine runs"));
  else {
    const active = state.state === "ACTIVE", exposed = Number(state.unhedged_notional || 0);
    parts.push(el("span", { class: `badge ${active ? "good" : state.state === "WAITING" ? "warn" : "bad"}` }, state.standing));
    const oldest = Math.max(0, ...(state.unhedged || []).map((row) => row.age_ms));
    parts.push(el("span", { class: exposed ? "bad" : "good" }, exposed ? `UNHEDGED ${money(state.unhedged_notional, 2)}, oldest ${duration(oldest / 1000)}` : "unhedged 0"));
    if (at.started_ns) parts.push(el("span", { class: "dim" }, `up ${duration((Number(state.at_ns) - Number(at.started_ns)) / 1e9)}`));
    if (!active && state.state !== "WAITING" && pageName() !== "now") parts.push(...(state.notices || []).slice(0, 1).map((text) => el("span", { class: "warn" }, text)));
  }
  announce(parts.filter((part) => part.matches(".badge")).map((part) => part.textContent).join(", "));
  const words = parts.map((part) => part.textContent).join("|").replace(/up [^|]*/, "");
  if (about.control) parts.push(el("span", { class: "orders" }, ["halt", "resume", "flatten"].map((name) => el("button", { type: "button", id: `do-${name}`, onclick: () => act(name) }, name))));
  parts.push(el("button", { type: "button", id: "sign-out", onclick: signOut }, "sign out"));
  if (!strip.contains(document.activeElement) || strip.dataset.words !== words) strip.replaceChildren(...parts);
  strip.dataset.words = words;
}

// Said aloud by a screen reader when it changes: whether the engine trades, not each figure twice a second.
function announce(words) {
  const place = document.getElementById("said");
  if (place.textContent !== words) place.textContent = words;
}

function act(name, id = "") {
  steer(name, id, (asked) => post("/api/control", asked), () => { readAt = -Infinity; show(); });
}

function login(text) {
  listening?.abort();
  document.querySelector("dialog")?.close();
  strip.replaceChildren(el("span", { class: "badge" }, "signed out"));
  strip.dataset.words = "";
  main.replaceChildren(document.getElementById("login").content.cloneNode(true));
  main.removeAttribute("aria-busy");
  const asked = document.getElementById("token-form"), error = asked.querySelector(".error");
  error.textContent = text;
  asked.addEventListener("submit", async (event) => {
    event.preventDefault();
    try { await open(asked.elements.token.value.trim()); await begin(); } catch (refused) { error.textContent = refused.message; }
  });
  asked.elements.token.focus();
}

async function signOut() {
  listening?.abort();
  const ended = post("/api/sign-out", {}).then(() => "", (error) => error.status === 401 ? "" : error.message);
  forget();  // whether `arb ui` answers or not; the request has its key by now
  login(await ended);
}

// Shows each state as it comes. After a loss the tab signs a new request, which tells another program at the port nothing.
async function listen(wanted = "") {
  listening?.abort();
  looked = wanted;
  const { signal } = listening = new AbortController();
  for (let wait = AGAIN_MS; !signal.aborted; wait = Math.min(2 * wait, AGAIN_MOST_MS)) {
    try {
      for await (const data of events((await signed(`/events${wanted}`, { signal })).body)) {
        wait = AGAIN_MS;
        state = JSON.parse(data);
        drawStrip();
        look();
        redraw();
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error.status === 401) return login(error.message);
      lost(error instanceof Refused ? error.message : "`arb ui` does not answer");
    }
    await new Promise((done) => setTimeout(done, wait));
  }
}

function lost(text) {
  strip.replaceChildren(el("span", { class: "badge bad" }, text));
  announce(text);
  strip.dataset.words = "";
}

async function begin() {
  try { about = await ask("/api/about"); learn(about.meanings); } catch (error) {
    if (error.status === 401) return login(error.message);
    main.replaceChildren(empty(error.message));
    return;
  }
  listen();
  await show();
}

// Lists renew by themselves where that is cheap, and while a person neither reads further down, nor selects, nor is at anything.
setInterval(() => {
  const page = pageOf(pageName()), at = document.activeElement;
  const quiet = scrollY < 60 && getSelection().isCollapsed && (at === document.body || at === main) && !document.querySelector("dialog, main details[open]");
  if (page.renews && quiet && !document.hidden && listening && !main.hasAttribute("aria-busy") && tookMs < CHEAP_MS && !chosen().get("before")) show(false, true);
}, RENEW_EVERY_MS);

// The names that filters offer are asked for when somebody comes to them.
let offered = false;
form.addEventListener("focusin", async () => {
  if (offered) return;
  offered = true;
  const known = await ask("/api/known").catch(() => ({}));
  for (const [name, values] of Object.entries(known)) document.getElementById(`known-${name}`).replaceChildren(...values.map((value) => el("option", { value })));
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const found = new URLSearchParams({ page: pageName() === "story" ? "pairs" : pageName() });
  for (const name of FILTERS) if (form.elements[name].value.trim()) found.set(name, form.elements[name].value.trim());
  go(`?${found}`);
});
document.getElementById("clear").addEventListener("click", () => go(`?page=${pageName() === "story" ? "pairs" : pageName()}`));
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href^='?']");
  if (!link) return;
  event.preventDefault();
  if (event.ctrlKey || event.metaKey || event.shiftKey) window.open(link.href);  // a tab opened by this one has its session
  else go(link.getAttribute("href"));
});
addEventListener("popstate", () => show());
document.addEventListener("visibilitychange", look);

const secret = location.hash.slice(1);
if (/^[0-9a-f]{64}$/.test(secret)) {
  history.replaceState(null, "", location.pathname + location.search);  // before anything else can see it
  open(secret).then(begin, (error) => login(error.message));
} else begin();
