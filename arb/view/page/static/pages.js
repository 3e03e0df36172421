// The pages, each from one or two answers.
import { card, el, empty, grouped, money, pairs, shown, signOf, size, table, utc } from "./dom.js";
import { chart, duration } from "./chart.js";
import { bars, barsOf, falls } from "./figures.js";
import { alertsList, held, now, venuesCard } from "./now.js";

const noted = (document) => (document.note ? [el("p", { class: "warn" }, document.note)] : []);
const ms = (value) => (value === null || value === undefined ? "-" : Number(value).toFixed(3));
const col = (name, of, more = {}) => ({ name, of, ...more });
const text = (name, key = name, more = {}) => col(name, (row) => shown(row[key]), { word: true, sort: (row) => row[key], ...more });
const count = (name, key = name) => col(name, (row) => grouped(shown(row[key])), { number: true, sort: (row) => Number(row[key]) });
const cash = (name, key = name) => col(name, (row) => money(row[key]), { number: true, sort: (row) => Number(row[key]), mark: (row) => signOf(row[key]) });
const cost = (name, key = name) => col(name, (row) => money(row[key]), { number: true, sort: (row) => Number(row[key]) });
const at = (name, key) => col(name, (row) => utc(row[key]), { word: true, sort: (row) => BigInt(row[key] || 0) });

async function pairsPage({ get, linkTo }) {
  const found = await get("pairs");
  if (!found.pairs.length) return [empty(found.empty)];
  return [...noted(found), el("p", { class: "dim" }, `${money(found.pairs.length, 0)} pairs, the latest first${found.pairs.length === 10000 ? " (the page shows 10,000 at most: choose a range of time)" : ""}`), table([
    at("decided", "decided_ns"),
    col("pair", (row) => el("a", { href: linkTo("story", { id: row.id }) }, String(row.number)), { number: true, sort: (row) => BigInt(row.id) }),
    text("kind"), text("symbol"), text("buy"), text("sell"), col("size", (row) => size(row.size), { number: true, sort: (row) => Number(row.size) }),
    text("state", "state", { mark: (row) => (row.state === "completed" ? "" : "warn") }), cost("expected"), cash("net"),
    col("took ms", (row) => shown(row.took_ms), { number: true, sort: (row) => row.took_ms }), col("exposure, quote × s", (row) => money(row.exposure_quote_s, 2), { number: true, sort: (row) => Number(row.exposure_quote_s) }),
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
    el("div", { class: "cards" }, card(`Pair ${one.pair.id}: ${one.pair.symbol}, ${one.pair.state}`, pairs({
      kind: one.pair.kind, decided: utc(one.pair.decided_ns), took: one.pair.took_ms === null ? "still open" : `${ms(one.pair.took_ms)} ms`,
      residual: size(one.pair.residual_size), "exposure, quote × s": money(one.pair.exposure_quote_s, 2), "required edge": one.required_edge?.text,
      opportunity: one.opportunity ? `best edge ${money(one.opportunity.best_edge_bps, 2)} bps, ${one.opportunity.ticks} book changes` : "-",
    })), card("Where each cent went", falls(one.waterfall)), ...sides),
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

async function opportunities({ get }) {
  const found = await get("report");
  if (found.empty) return [empty(found.empty)];
  const outcomes = Object.entries(found.opportunities).map(([outcome, number]) => ({ outcome, opportunities: number }));
  const quote = (rows) => (new Set(rows.map((row) => row.quote)).size > 1 ? [text("quote")] : []);
  return [...noted(found), el("div", { class: "two" }, el("div", {},
    card("By outcome", table([text("outcome"), count("opportunities"), barsOf(outcomes, (row) => row.opportunities)], outcomes, { caption: "by outcome" })),
    card("Why not", table([text("reason"), text("outcome"), ...quote(found.refused), count("opportunities"), cost("best net", "best_net"), barsOf(found.refused, (row) => row.best_net)], found.refused, { caption: "reasons" }))),
  el("div", {}, card("Other thresholds", el("p", { class: "dim" }, "what each least edge would have kept: of the pairs traded, and of all opportunities seen"),
    table([...quote(found.what_if), count("least edge, bps", "min_edge_bps"), count("pairs"), cash("net"), count("seen"), cost("best net", "best_net")], found.what_if, { caption: "thresholds" }))))];
}

async function inventory({ get, state, chosen }) {
  const found = await get("holdings"), present = state().held || [];
  const asked = chosen.get("venue"), here = present.length ? Object.keys(present[0].amounts).filter((venue) => !asked || venue === asked) : [];
  const live = here.length ? card("Held now", el("p", { class: "dim" }, "what the engine computes from the venues' last reports and the fills since"), held(present, here)) : null;
  if (found.empty) return [live, empty(found.empty)].filter(Boolean);
  const charted = Object.entries(found.assets).filter(([, venues]) => Object.values(venues).some((points) => points.some(([, value]) => value !== points[0][1])));
  return [live, card("Last reported", table([text("asset"), text("venue"), col("free", (row) => size(row.free), { number: true }), col("locked", (row) => size(row.locked), { number: true }), at("reported", "ns")], found.latest, { caption: "balances" })),
    ...charted.map(([asset, venues]) => card(asset, chart(Object.entries(venues).map(([name, points]) => ({ name, points })), found.stretches, { unit: `${asset} held, by venue` }))),
    charted.length ? null : el("p", { class: "dim" }, "No report differs from the one before it: what changes is drawn from then on.")].filter(Boolean);
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
  const live = state().venues ? venuesCard(state()) : null;
  return [live, found.execution.length ? card("How orders went", table([
    text("venue"), count("orders"), count("accepted"), count("rejected"), count("unknown"), count("repairs"), count("filled %", "fill_percent"),
    count("send p50 ms", "send_ms_p50"), count("p95", "send_ms_p95"), count("answer p50 ms", "ack_ms_p50"), count("p95", "ack_ms_p95"), count("fill p50 ms", "fill_ms_p50"), count("p95", "fill_ms_p95"),
    count("slippage bps", "slippage_bps"), count("worst 5 %", "worst_slippage_bps"),
  ], found.execution, { caption: "execution" })) : empty(found.empty || "no order"), found.fees_planned.length ? card("Fees", table([text("venue"), text("asset"), text("quote"), count("fills"), cost("planned", "expected"), cost("charged")], found.fees_planned, { caption: "fees" })) : null];
}

async function incidents({ get, about, act }) {
  const [alerts, found] = await Promise.all([get("alerts"), get("incidents")]);
  return [card("Alerts that need a person", ...(alerts.alerts.length ? alertsList(alerts.alerts, about.control ? act : null) : [el("p", { class: "good" }, alerts.empty)])),
  card("Incidents", found.incidents.length ? table([
    at("at", "ns"), text("severity", "severity", { mark: (row) => ({ critical: "bad", warning: "warn" })[row.severity] || "" }), text("kind"), text("venue"), text("what", "text", { word: false }), cash("cost"),
  ], found.incidents, { caption: "incidents" }) : el("p", { class: "dim" }, found.empty), found.in_all > found.incidents.length ? el("p", { class: "dim" }, `the latest ${found.incidents.length} of ${found.in_all}`) : null)];
}

async function reconciliation({ get }) {
  const found = await get("reconciliation");
  return [el("p", { class: "dim" }, `Tolerance: ${found.tolerance}.`), found.balances.length ? table([
    text("venue"), text("asset"), col("venue reports", (row) => size(row.reported), { number: true }), col("ledger has", (row) => size(row.computed), { number: true }),
    col("difference", (row) => size(row.difference), { number: true, mark: (row) => (row.agrees ? "good" : "bad") }), col("", (row) => (row.agrees ? "agrees" : row.computed === null ? "not compared" : "DIFFERS"), { word: true, mark: (row) => (row.agrees ? "good" : "bad") }),
    at("reported", "reported_ns"), at("last agreed", "agreed_ns"),
  ], found.balances, { caption: "reconciliation" }) : empty(found.empty)];
}

export const STORY = { title: "Pair", make: story };
export const PAGES = {
  now: { title: "Now", make: async ({ state, read, about, act }) => now(state(), await read(), about.control ? act : null) },
  pairs: { title: "Pairs", make: pairsPage },
  opportunities: { title: "Opportunities", make: opportunities },
  inventory: { title: "Inventory", make: inventory },
  waterfall: { title: "Waterfall", make: waterfall },
  venues: { title: "Venues", make: venues },
  incidents: { title: "Incidents", make: incidents },
  reconciliation: { title: "Reconciliation", make: reconciliation },
};
