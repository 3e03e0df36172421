// The pages, each from one or two answers.
import { card, el, empty, money, pairs, shown, signOf, size, table, utc } from "./dom.js";
import { chart, duration } from "./chart.js";
import { now } from "./now.js";

const noted = (document) => (document.note ? [el("p", { class: "warn" }, document.note)] : []);
const ms = (value) => (value === null || value === undefined ? "-" : Number(value).toFixed(3));
const col = (name, of, more = {}) => ({ name, of, ...more });
const text = (name, key = name, more = {}) => col(name, (row) => shown(row[key]), { word: true, sort: (row) => row[key], ...more });
const count = (name, key = name) => col(name, (row) => shown(row[key]), { number: true, sort: (row) => Number(row[key]) });
const cash = (name, key = name) => col(name, (row) => money(row[key]), { number: true, sort: (row) => Number(row[key]), mark: (row) => signOf(row[key]) });
const cost = (name, key = name) => col(name, (row) => money(row[key]), { number: true, sort: (row) => Number(row[key]) });
const at = (name, key) => col(name, (row) => utc(row[key]), { word: true, sort: (row) => BigInt(row[key] || 0) });

async function pairsPage({ get, linkTo }) {
  const found = await get("pairs");
  if (!found.pairs.length) return [empty(found.empty)];
  return [...noted(found), el("p", { class: "dim" }, `${found.pairs.length} pairs, the latest first${found.pairs.length === 10000 ? " (the page shows 10,000 at most: choose a range of time)" : ""}`), table([
    at("decided", "decided_ns"),
    col("pair", (row) => el("a", { href: linkTo("story", { id: row.id }) }, String(row.number)), { number: true, sort: (row) => BigInt(row.id) }),
    text("kind"), text("symbol"), text("buy"), text("sell"), col("size", (row) => size(row.size), { number: true, sort: (row) => Number(row.size) }),
    text("state", "state", { mark: (row) => (row.state === "completed" ? "good" : "warn") }), cash("expected"), cash("net"),
    col("took ms", (row) => shown(row.took_ms), { number: true, sort: (row) => row.took_ms }), col("exposure quote x s", (row) => money(row.exposure_quote_s, 2), { number: true, sort: (row) => Number(row.exposure_quote_s) }),
    col("", (row) => shown(row.identity).replace(/^-$/, "")),
  ], found.pairs, { caption: "pairs" })];
}

async function story({ get, chosen, linkTo }) {
  const one = await get("story", { id: chosen.get("id") || "" });
  const frames = one.steps.filter((step) => step.what === "frame received");
  const sides = ["buy", "sell"].map((side) => {
    const venue = one.pair[`${side}_venue`], order = one.orders.find((row) => row.side === side && row.role === "entry");
    const frame = frames.find((step) => step.of === `${venue} book`);
    return card(`${side} at ${venue}`, pairs({
      "its book, when it was decided": frame ? `${ms(-Number(frame.at_ms))} ms old` : "not known",
      "size planned": size(one.pair[`${side}_size`]), limit: order ? size(order.price) : "-", "filled of it": order ? size(order.filled) : "-",
      "average price": order?.avg_price ? size(Number(order.avg_price).toPrecision(10)) : "-", status: order ? order.status : "-",
      "decided to sent": order?.sent_ms ? `${ms(order.sent_ms)} ms` : "-", "sent to answer": order?.acked_ms ? `${ms(order.acked_ms - order.sent_ms)} ms` : "-",
      "sent to first fill": order?.first_fill_ms ? `${ms(order.first_fill_ms - order.sent_ms)} ms` : "-",
    }), ...depth(one.books, side));
  });
  return [
    el("p", {}, el("a", { href: linkTo("pairs") }, "all pairs")), ...noted(one),
    card(`Pair ${one.pair.id}: ${one.pair.symbol}, ${one.pair.state}`, pairs({
      kind: one.pair.kind, decided: utc(one.pair.decided_ns), took: one.pair.took_ms === null ? "still open" : `${ms(one.pair.took_ms)} ms`,
      "left over": size(one.pair.residual_size), "exposure, quote x s": money(one.pair.exposure_quote_s, 2), "required edge": one.required_edge?.text,
      opportunity: one.opportunity ? `best edge ${one.opportunity.best_edge_bps} bps, ${one.opportunity.ticks} book changes` : "-",
    })),
    el("div", { class: "cards" }, ...sides, card("Where each cent went", falls(one.waterfall))),
    card("Step by step", table([
      col("at ms", (row) => ms(row.at_ms), { number: true }), col("waited ms", (row) => ms(row.wait_ms), { number: true }), text("what", "what", { word: false }), text("of", "of", { word: false }),
    ], one.steps, { caption: "steps" })),
    one.alternatives.length ? card("What else could have been done", table([
      text("stage"), text("way"), text("buy"), text("sell"), col("size", (row) => size(row.size), { number: true }), col("price", (row) => size(row.price), { number: true }),
      cash("net"), col("edge bps", (row) => shown(row.edge_bps), { number: true }), col("", (row) => (row.taken ? "taken" : row.reason)),
    ], one.alternatives, { caption: "alternatives" })) : null,
    card("Fills", table([
      col("at ms", (row) => ms(row.at_ms), { number: true }), text("venue"), text("side"), col("price", (row) => size(row.price), { number: true }), col("size", (row) => size(row.size), { number: true }),
      col("fee", (row) => `${size(row.fee)} ${row.fee_currency}`, { number: true }), cost("fee in quote", "fee_in_quote"), text("trade id", "trade_id", { word: false }),
    ], one.fills, { caption: "fills" })),
    one.incidents.length ? card("Incidents", table([col("at ms", (row) => ms(row.at_ms), { number: true }), text("kind"), text("what", "text", { word: false })], one.incidents, { caption: "incidents" })) : null,
  ];
}

// The side of a book that a leg was decided on: each level, what the plan took of it, and where the limit of its order lies.
function depth(books, leg) {
  const name = leg === "buy" ? "ask" : "bid", to = `to_${leg}`, limit = books[`${leg}_limit`];
  const levels = books.levels.filter((row) => row[name] !== null);
  const heading = el("h3", {}, `The ${name}s it was decided on`);
  if (!levels.length) return [heading, el("p", { class: "dim" }, books.note || "not kept")];
  const most = Math.max(...levels.map((row) => Number(row[`${name}_size`])));
  const beyond = (row) => (leg === "buy" ? Number(row[name]) > Number(limit) : Number(row[name]) < Number(limit));
  const figure = (title, key) => col(title, (row) => size(row[key]), { number: true, mark: (row) => (row[to] === null ? "" : "reached") });
  return [heading, table([
    figure("price", name), figure("size", `${name}_size`), col("", (row) => bars("level", [["lies", row[`${name}_size`]], ["taken", row[to] ?? 0]].map(([mark, of]) => [mark, 0, 1000 * Number(of) / most]))),
    figure("total", `${name}_total`), figure(`to ${leg}`, to),
    col("limit", (row) => (limit === null ? "-" : beyond(row) ? "beyond" : "within"), { word: true, mark: (row) => (limit !== null && beyond(row) ? "dim" : "") }),
  ], levels, { caption: `${name}s at the decision` })];
}

// Bars on a ground that is 1000 wide, each [class, from, width], the later ones on top.
function bars(kind, parts) {
  const svg = (name, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const made = svg("svg", { viewBox: "0 0 1000 20", preserveAspectRatio: "none", "aria-hidden": "true", class: kind });
  made.append(...parts.map(([mark, x, width]) => svg("rect", { x, y: 3, width, height: 14, class: mark })));
  return made;
}

// The terms of a waterfall, each from where the one before it ended; says so when they do not add up.
function falls(terms) {
  const values = Object.entries(terms).map(([name, value]) => [name, value === null ? null : Number(value)]);
  if (values.some(([, value]) => value === null)) return el("p", { class: "dim" }, "not finished yet");
  const sum = values.at(-1)[1], parts = values.slice(0, -1);
  let at = 0, low = Math.min(0, sum), high = Math.max(0, sum);
  const steps = parts.map(([name, value]) => { const from = at; at += value; low = Math.min(low, at); high = Math.max(high, at); return [name, value, from, at]; });
  const wide = high - low || 1, place = (value) => 1000 * (value - low) / wide;
  const rows = [...steps.map(([name, value, from, to]) => [name, value, Math.min(from, to), Math.max(from, to), value < 0 ? "down" : "up"]), [values.at(-1)[0], sum, Math.min(0, sum), Math.max(0, sum), "sum"]];
  const wrong = Math.abs(at - sum) > 1e-6 ? el("p", { class: "bad", role: "alert" }, "these terms do not add up") : null;
  return el("div", {}, el("div", { class: "falls" }, rows.flatMap(([name, value, from, to, mark]) => [el("span", {}, name.replaceAll("_", " ")), bars("fall", [[mark, place(from), Math.max(place(to) - place(from), 3)]]), el("span", { class: signOf(value) }, money(value))])), wrong);
}

async function opportunities({ get }) {
  const found = await get("report");
  if (found.empty) return [empty(found.empty)];
  return [...noted(found), el("div", { class: "cards" },
    card("By outcome", table([text("outcome"), count("opportunities")], Object.entries(found.opportunities).map(([outcome, number]) => ({ outcome, opportunities: number })), { caption: "by outcome" })),
    card("Why not", table([text("reason"), text("outcome"), text("quote"), count("opportunities"), cash("best net together", "best_net")], found.refused, { caption: "reasons" })),
    card("Other thresholds", table([text("quote"), count("least edge, bps", "min_edge_bps"), count("pairs"), cash("net"), count("seen"), cash("best net", "best_net")], found.what_if, { caption: "thresholds" })))];
}

async function inventory({ get }) {
  const found = await get("holdings");
  if (found.empty) return [empty(found.empty)];
  const charted = Object.entries(found.assets).filter(([, venues]) => Object.values(venues).some((points) => Number(points.at(-1)[0]) - Number(points[0][0]) > 1e9));
  return [card("Last reported", table([text("asset"), text("venue"), col("free", (row) => size(row.free), { number: true }), col("locked", (row) => size(row.locked), { number: true }), at("reported", "ns")], found.latest, { caption: "balances" })),
    ...charted.map(([asset, venues]) => card(asset, chart(Object.entries(venues).map(([name, points]) => ({ name, points })), found.stretches, { unit: `${asset} held, by venue` }))),
    charted.length ? null : el("p", { class: "dim" }, "Reported at the start alone so far: what changes is drawn from the next report on.")];
}

async function waterfall({ get }) {
  const [found, earned] = await Promise.all([get("report"), get("earned")]);
  if (found.empty) return [empty(found.empty)];
  const many = (rows, ...names) => table([...names.map((name) => text(name.replace("_", " "), name)), count("pairs"), count("repaired"), cash("expected"), cash("net"), count("kept %", "kept_percent"), cost("fees"), cost("hedge cost", "hedge_cost")], rows, { caption: names.join(" ") });
  return [...noted(found),
    el("p", { class: "dim" }, `${duration(Number(found.run_seconds))} of trading, from ${utc(found.from_ns)} to ${utc(found.to_ns)}`),
    earned.points.length ? card(`Earned, ${earned.quote}`, chart([{ name: "net", points: earned.points }], earned.stretches, { unit: `net in ${earned.quote}, added up` })) : empty(earned.empty),
    el("div", { class: "cards" }, Object.entries(found.waterfall).map(([quote, terms]) => card(`From expected to earned, ${quote}`, falls(terms))), card("Days", table([text("day", "day_utc"), text("quote"), col("traded", (row) => duration(Number(row.run_seconds)), { number: true }), count("pairs"), cash("net"), cost("fees")], found.days, { caption: "days" }))),
    card("Symbols", many(found.symbols, "symbol")), card("Routes", many(found.venue_pairs, "quote", "buy_venue", "sell_venue"))];
}

async function venues({ get, state }) {
  const found = await get("report");
  const live = state().venues ? now(state())[0].firstElementChild : null;
  return [live, found.execution.length ? card("How orders went", table([
    text("venue"), count("orders"), count("accepted"), count("rejected"), count("unknown"), count("repairs"), count("filled %", "fill_percent"),
    count("send p50 ms", "send_ms_p50"), count("p95", "send_ms_p95"), count("answer p50 ms", "ack_ms_p50"), count("p95", "ack_ms_p95"), count("fill p50 ms", "fill_ms_p50"), count("p95", "fill_ms_p95"),
    count("slippage bps", "slippage_bps"), count("worst 5 %", "worst_slippage_bps"),
  ], found.execution, { caption: "execution" })) : empty(found.empty || "no order"), found.fees_planned.length ? card("Fees", table([text("venue"), text("asset"), text("quote"), count("fills"), cost("planned", "expected"), cost("charged")], found.fees_planned, { caption: "fees" })) : null];
}

async function incidents({ get, about, act }) {
  const [alerts, found] = await Promise.all([get("alerts"), get("incidents")]);
  return [card("Alerts that need a person", alerts.alerts.length ? table([
    text("kind", "kind", { mark: () => "bad" }), text("venue"), text("symbol"), at("since", "since_ns"), at("last", "last_ns"), count("times", "count"), text("what", "text", { word: false }), text("what to do", "what_to_do", { word: false }),
    ...(about.control ? [col("", (row) => el("button", { type: "button", onclick: () => act("acknowledge", row.id) }, "acknowledge"))] : []),
  ], alerts.alerts, { caption: "alerts" }) : el("p", { class: "good" }, alerts.empty)),
  card("Incidents", found.incidents.length ? table([
    at("at", "ns"), text("severity", "severity", { mark: (row) => ({ critical: "bad", warning: "warn" })[row.severity] || "" }), text("kind"), text("venue"), text("what", "text", { word: false }), cash("cost"),
  ], found.incidents, { caption: "incidents" }) : el("p", { class: "dim" }, found.empty), found.in_all > found.incidents.length ? el("p", { class: "dim" }, `the latest ${found.incidents.length} of ${found.in_all}`) : null)];
}

async function reconciliation({ get }) {
  const found = await get("reconciliation");
  return [el("p", { class: "dim" }, `Tolerance: ${found.tolerance}.`), found.balances.length ? table([
    text("venue"), text("asset"), col("venue reports", (row) => row.reported, { number: true }), col("ledger has", (row) => shown(row.computed), { number: true }),
    col("difference", (row) => shown(row.difference), { number: true, mark: (row) => (row.agrees ? "good" : "bad") }), col("", (row) => (row.agrees ? "agrees" : row.computed === null ? "not compared" : "DIFFERS"), { word: true, mark: (row) => (row.agrees ? "good" : "bad") }),
    at("reported", "reported_ns"), at("last agreed", "agreed_ns"),
  ], found.balances, { caption: "reconciliation" }) : empty(found.empty)];
}

export const STORY = { title: "Pair", make: story };
export const PAGES = {
  now: { title: "Now", make: async ({ state }) => now(state()) },
  pairs: { title: "Pairs", make: pairsPage },
  opportunities: { title: "Opportunities", make: opportunities },
  inventory: { title: "Inventory", make: inventory },
  waterfall: { title: "Waterfall", make: waterfall },
  venues: { title: "Venues", make: venues },
  incidents: { title: "Incidents", make: incidents },
  reconciliation: { title: "Reconciliation", make: reconciliation },
};
