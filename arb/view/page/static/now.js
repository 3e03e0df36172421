// The present state of a running engine, and what may be ordered.
import { amount, card, code, el, empty, money, pairs, shown, signOf, size, table, utc } from "./dom.js";
import { duration } from "./chart.js";
import { barsOf, byMinute, falls } from "./figures.js";

export const route = (row) => (row.buy_venue === row.sell_venue ? row.buy_venue : `${row.buy_venue} → ${row.sell_venue}`);
const running = (state) => state.engine !== "not running";
export const tile = (title, value, below, mark = "") => el("section", { class: "tile" }, el("h2", {}, title), el("p", { class: `figure ${mark}`.trim() }, value), el("p", { class: "dim" }, below));

// How many notices, the first ones, are of a moment: they have a place of their own, so that nothing moves as they come and go.
const passing = (state) => (state.state === "WAITING" ? (state.stops || []).length : 0);

// `read`: what the ledger has beside the state: of today, and the alerts that nobody has taken note of.
export function now(state, read = {}, steering = null) {
  const here = [...(state.notices || []).slice(passing(state)).map((text) => el("p", { class: "notice warn" }, text)), alertsCard(read, steering), tiles(state, read)];
  if (!running(state)) return [empty("No engine runs on this ledger: `arb run` starts one. The other pages show what the ledger holds."), ...here, todayCard(read), placesCard(read)];
  return [...here, el("div", { class: "two" },
    el("div", {}, venuesCard(state), edgesCard(state), openCard(state, read.today), runCard(state), unhedgedCard(state)),
    el("div", {}, todayCard(read), placesCard(read), heldCard(state), notTakenCard(state)))];
}

function tiles(state, read) {
  const exposed = Number(state.unhedged_notional || 0);
  const quotes = Object.entries(read.today?.quotes || {}), alerts = read.alerts?.alerts || [];
  const taken = state.opportunities - Object.values(state.not_taken || {}).reduce((sum, count) => sum + count, 0);
  const found = [];
  if (running(state)) {
    const oldest = exposed ? `oldest ${duration(Math.max(0, ...(state.unhedged || []).map((row) => row.age_ms)) / 1000)}` : "";
    found.push(tile("Unhedged now", exposed ? money(state.unhedged_notional, 2) : "0", [oldest, state.exposed_today].filter(Boolean).join("; "), exposed ? "bad" : "good"));
  }
  if (read.today) {
    const [quote, sums] = quotes[0] || ["", { realised_net: "0", pairs: 0 }];
    const others = quotes.slice(1).map(([name, more]) => `${money(more.realised_net, 2)} ${name}`);
    found.push(tile("Net today, UTC", `${money(sums.realised_net, 2)} ${quote}`.trim(), [`${money(sums.pairs, 0)} pairs`, rate(read.today, quote), ...others].filter(Boolean).join("; "), signOf(sums.realised_net)));
  }
  if (running(state)) {
    const ended = ["completed", "unwound", "carried", "halted", "abandoned"].filter((name) => state.pairs?.[name]).map((name) => `${money(state.pairs[name], 0)} ${name}`);
    found.push(tile("Pairs of this run", money(state.pairs?.opened ?? 0, 0), ended.join(", ") || "none has ended"));
    found.push(tile("Opportunities", money(state.opportunities ?? 0, 0), `${money(taken || 0, 0)} taken or open`));
  }
  if (read.alerts) found.push(tile("Alerts", String(alerts.length), alerts.length ? alerts.map((row) => row.kind).slice(0, 3).join(", ") : "no open alerts", alerts.length ? "bad" : "good"));
  return el("div", { class: "tiles" }, found);
}

function rate(today, quote) {
  const known = (today.minutes?.[quote] || []).filter((net) => net !== null).map(Number);
  return today.ran_s >= 60 && known.length ? `${money(known.reduce((sum, net) => sum + net, 0) * 60 / today.ran_s, 2)} a minute of trading` : null;
}

function alertsCard(read, steering) {
  const found = read.alerts?.alerts || [];
  return found.length ? card("Alerts that need a person", ...alertsList(found, steering)) : null;
}

export const alertsList = (found, steering) => found.map((row) => el("article", { class: "alert" }, el("div", {},
  el("h3", { dir: "auto" }, el("span", { class: "bad" }, code("incident", row.kind), ` ${[row.venue, row.symbol].filter(Boolean).join(" ")}`), el("span", { class: "dim" }, row.count > 1 ? ` ${row.count} times since ${utc(row.since_ns)}, last ${utc(row.last_ns)}` : ` at ${utc(row.last_ns)}`)),
  el("p", { dir: "auto" }, row.text), el("p", { class: "dim" }, `What to do: ${row.what_to_do}`)),
steering ? el("button", { type: "button", "data-alert": row.id, onclick: () => steering("acknowledge", row.id) }, "acknowledge") : null));

export function venuesCard(state) {
  const others = (state.display_only || []).map((row) => ({ venue: row.venue, books: row.books, private: "-", health: "-", halted: [row.use, row.trouble].filter(Boolean).join("; ") }));
  const found = [...(state.venues || []), ...others];
  const against = (row) => [row.halted, row.health === "healthy" ? "" : row.health_cause].filter(Boolean).join("; ");
  return card("Venues", table([
    { name: "venue", of: (row) => row.venue, word: true },
    { name: "health", of: (row) => code("health", row.health), word: true, mark: (row) => (row.health === "healthy" ? "good" : row.health === "-" ? "" : "warn") },
    { name: "books", of: (row) => row.books, word: true, mark: (row) => (new Set(String(row.books).split("/")).size > 1 ? "warn" : "") },
    { name: "private", of: (row) => row.private, word: true, mark: (row) => (row.private === "down" ? "bad" : "") },
    { name: "lag ms p50/p99", of: (row) => (row.lags_ms ? row.lags_ms.join("/") : "-"), number: true },
    { name: "orders left", of: ({ orders_left: left }) => (left ? `${Math.floor(100 * left[0] / left[1])} %` : "-"), number: true },
    { name: "clock ms", of: (row) => shown(row.offset_ms), number: true },
  ], found, { caption: "venues" }), ...found.filter(against).map((row) => el("p", { class: "warn" }, `${row.venue}: ${against(row)}`)));
}

const SORT_EVERY_MS = 5000;
let order = [], sortedAt = -Infinity;

// The best edges, sorted anew every few seconds only, so that a row can be followed.
function followed(edges) {
  if (performance.now() - sortedAt > SORT_EVERY_MS || order.length !== Math.min(12, edges.length)) {
    sortedAt = performance.now();
    order = edges.slice(0, 12).map((row) => row.symbol);
  }
  return order.map((symbol) => edges.find((row) => row.symbol === symbol)).filter(Boolean);
}

function edgesCard(state) {
  const open = new Set((state.open_pairs || []).map((row) => `${row.symbol} ${row.buy} ${row.sell}`));
  const why = (row) => (Number(row.edge_bps) <= 0 ? "fees exceed it" : open.has(`${row.symbol} ${row.buy} ${row.sell}`) ? "(a pair is open)" : code("reason", row.not_taken));
  return card("Best edges", table([
    { name: "symbol", of: (row) => row.symbol + (row.identity ? ` (${row.identity})` : ""), word: true },
    { name: "buy → sell", of: (row) => el("a", { href: `?${new URLSearchParams({ page: "books", symbol: row.symbol, buy: row.buy, sell: row.sell })}` }, `${row.buy} → ${row.sell}`), word: true },
    { name: "net bps", of: (row) => money(row.edge_bps, 2), number: true, mark: (row) => (Number(row.edge_bps) > 0 ? "good" : "dim") },
    { name: "not taken because", of: why, word: true, mark: (row) => (Number(row.edge_bps) > 0 ? "" : "dim") },
  ], followed(state.edges || []), { caption: "best edges" }), el("p", { class: "dim" }, passing(state) ? state.notices[0] : "\u00a0"), state.edges_in_all > 12 ? el("p", { class: "dim" }, `${state.edges_in_all} symbols in all`) : null);
}

// A pair's short id; its number in the newest run before the ledger was read.
function shortId(id, today) {
  const run = String(id).slice(0, -9), number = String(id).slice(-9).replace(/^0+/, "");
  return today?.runs?.[run] ? `${today.runs[run]}-${number}` : number;
}

function openCard(state, today) {
  const made = (state.open_pairs || []).length ? table([
    { name: "pair", of: (row) => el("a", { href: `?page=story&id=${row.id}` }, shortId(row.id, today)), number: true },
    { name: "symbol", of: (row) => row.symbol, word: true }, { name: "buy → sell", of: (row) => `${row.buy} → ${row.sell}`, word: true },
    { name: "size", of: (row) => size(row.size), number: true }, { name: "state", of: (row) => row.state, word: true, mark: (row) => (row.state === "opening" ? "" : "warn") },
    { name: "age", of: (row) => duration(row.age_ms / 1000), number: true }, { name: "expected", of: (row) => amount(row.expected_net), number: true },
  ], state.open_pairs, { caption: "open pairs" }) : el("p", { class: "dim" }, "none");
  return el("section", { class: "card lively" }, el("h2", {}, "Open pairs"), made);
}

function unhedgedCard(state) {
  if (!(state.unhedged || []).length) return null;
  return card("Unhedged", table([
    { name: "asset", of: (row) => row.asset, word: true }, { name: "size", of: (row) => size(row.size), number: true },
    { name: "value", of: (row) => money(row.value, 2), number: true, mark: () => "bad" }, { name: "age", of: (row) => duration(row.age_ms / 1000), number: true },
  ], state.unhedged, { caption: "unhedged" }));
}

function todayCard(read) {
  const quotes = Object.entries(read.today?.quotes || {});
  if (!quotes.length) return null;
  return card("Net today, from expected to earned", ...quotes.flatMap(([quote, { pairs: _, ...terms }]) => [
    el("h3", {}, `${quote}, pairs that closed on this UTC day`), falls(terms), read.today.minutes?.[quote] ? byMinute(read.today.minutes[quote], quote) : null]));
}

const PLACES = 12;

function placesCard(read) {
  const quotes = Object.keys(read.today?.quotes || {}), nets = (rows, name, of) => table([
    { name, of, word: true }, { name: "pairs", of: (row) => money(row.pairs, 0), number: true },
    { name: "net", of: (row) => money(row.net, 2), number: true, mark: (row) => signOf(row.net) }, barsOf(rows, (row) => row.net),
  ], rows.slice(0, PLACES), { caption: `net today by ${name}` });
  if (!quotes.length) return null;
  return card("Net today by route and venue", ...quotes.flatMap((quote) => {
    const [routes, venues] = [read.today.routes, read.today.venues].map((rows) => rows.filter((row) => row.quote === quote));
    return [quotes.length > 1 ? el("h3", {}, quote) : null, nets(routes, "buy → sell", route), routes.length > PLACES ? el("p", { class: "dim" }, `the best ${PLACES} of ${routes.length} routes`) : null,
      nets(venues, "venue", (row) => row.venue)];
  }), el("p", { class: "dim" }, "A pair counts at both of its venues."));
}

function heldCard(state) {
  if (!(state.held || []).length) return null;
  return card("Inventory", held(state.held, Object.keys(state.held[0].amounts)));
}

// Assets in rows, venues in columns; what is scarce or rich somewhere is said there.
export function held(rows, venues) {
  return table([
    { name: "asset", of: (row) => row.asset, word: true },
    ...venues.map((venue) => ({
      name: venue, of: (row) => (row.amounts[venue] === undefined ? "" : el("span", {}, row.marks?.[venue] ? [el("small", {}, row.marks[venue]), " "] : [], amount(row.amounts[venue]))), number: true, mark: (row) => (/scarce|lasts/.test(row.marks?.[venue]) ? "warn" : ""),
    })),
    { name: "in all", of: (row) => amount(Object.values(row.amounts).reduce((sum, held) => sum + Number(held), 0)), number: true },
  ], rows, { caption: "inventory" });
}

function runCard(state) {
  const net = Object.entries(state.net || {}).map(([asset, value]) => `${amount(value)} ${asset}`).join(", ") || "0";
  return card("This run", pairs({ run: state.run_id, net, orders: money(state.orders ?? 0, 0), fills: money(state.fills ?? 0, 0), incidents: el("a", { href: `?page=incidents&run=${state.run_id}` }, shown(state.incidents)), "frames read": money(state.frames ?? 0, 0), ledger: state.about?.ledger }));
}

function notTakenCard(state) {
  const reasons = Object.entries(state.not_taken || {}).map(([reason, count]) => ({ reason, count }));
  return card("Opportunities not taken", reasons.length ? table([{ name: "reason", of: (row) => code("reason", row.reason), word: true }, { name: "opportunities", of: (row) => money(row.count, 0), number: true }], reasons, { caption: "not taken" }) : el("p", { class: "dim" }, "none"));
}

// Puts what has changed in the place of what stands there, part by part: a reader keeps selection and focus in all others.
export function renew(main, made) {
  const title = main.querySelector(".title");
  if (!title) return;
  made = made.filter(Boolean);
  const present = [...main.children].filter((child) => child !== title);
  if (present.length !== made.length || present.some((child, n) => child.className !== made[n].className)) main.replaceChildren(title, ...made);
  else present.forEach((child, n) => exchange(child, made[n]));
}

function exchange(old, made) {
  if (old.isEqualNode(made)) return;
  const within = [...old.children], anew = [...made.children];  // both before anything moves
  if (old.matches(".two, .two > div, .tiles") && within.length === anew.length) within.forEach((child, n) => exchange(child, anew[n]));
  else if (!old.contains(document.activeElement)) old.replaceWith(made);  // where somebody reads by keyboard nothing moves
}

const WHAT = {
  halt: "No new pairs open; open pairs are finished. It holds until a resume.",
  resume: "Trading continues, whatever the halt's cause.",
  flatten: "Own orders are cancelled, open pairs finished, own exposure is traded away; then trading halts.",
  acknowledge: "The alert, as shown now, is closed.",
};

export function steer(name, id, send, done) {
  const dialog = document.getElementById("ask").content.cloneNode(true).firstElementChild;
  document.body.append(dialog);
  const form = dialog.querySelector("form"), error = dialog.querySelector(".error");
  dialog.querySelector("h2").textContent = name;
  dialog.querySelector(".what").textContent = WHAT[name];
  dialog.querySelector("[value=do]").textContent = name;
  dialog.querySelector(".confirm b").textContent = name;
  dialog.querySelector(".confirm").hidden = name === "halt";
  dialog.querySelector("[value=no]").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const answer = await send({ do: name, reason: form.elements.reason.value, confirm: form.elements.confirm.value.trim(), id: String(id) });
      if (answer.error) { error.textContent = answer.error; return; }
      dialog.close();
      done();
    } catch (refused) { error.textContent = refused.message; }
  });
  dialog.showModal();
  form.elements.reason.focus();
}
