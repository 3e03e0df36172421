// The pages, each from one or two answers.
import { amount, card, code, el, empty, grouped, money, pairs, shown, signOf, size, table, utc } from "./dom.js";
import { books } from "./books.js";
import { chart, duration, logarithm, plot } from "./chart.js";
import { bars, barsOf, falls, figure, heat } from "./figures.js";
import { alertsList, held, now, route, tile, venuesCard } from "./now.js";

const noted = (document) => (document.note ? [el("p", { class: "warn" }, document.note)] : []);
const ms = (value) => (value === null || value === undefined ? "-" : Number(value).toFixed(3));
const col = (name, of, more = {}) => ({ name, of, ...more });
const text = (name, key = name, more = {}) => col(name, (row) => shown(row[key]), { word: true, sort: (row) => row[key], ...more });
const count = (name, key = name) => col(name, (row) => grouped(shown(row[key])), { number: true, sort: (row) => Number(row[key]) });
const cash = (name, key = name) => col(name, (row) => money(row[key]), { number: true, sort: (row) => Number(row[key]), mark: (row) => signOf(row[key]) });
const cost = (name, key = name) => col(name, (row) => money(row[key]), { number: true, sort: (row) => Number(row[key]) });
const coded = (name, sort) => col(name, (row) => code(sort, row[name]), { word: true, sort: (row) => row[name] });
const at = (name, key) => col(name, (row) => utc(row[key]), { word: true, sort: (row) => BigInt(row[key] || 0) });
const whole = (name, key) => col(name, (row) => size(row[key]), { number: true, sort: (row) => Number(row[key]) });
const lines = (found, as = "steps") => Object.entries(found).map(([name, points]) => ({ name, points, as }));
const time = (ms) => duration(ms / 1000);
const sampled = (found, what) => (found.every > 1 ? [el("p", { class: "dim" }, `${what} are measured on one in ${found.every}.`)] : []);
const byQuote = (found, draw) => Object.entries(found.quotes).flatMap(([quote, figures], n, all) => [all.length > 1 ? el("h2", {}, `In ${quote}`) : null, ...draw(figures, quote, !n)]).filter(Boolean);
const earned = (rows, ...names) => table([...names.map((name) => text(name.replace("_", " "), name)), cash("net"), barsOf(rows, (row) => row.net), count("pairs"), count("repaired"), cash("expected"), count("kept %", "kept_percent"), cost("fees"), cost("hedge cost", "hedge_cost"), ...(rows[0]?.run_seconds ? [col("traded", (row) => duration(Number(row.run_seconds)), { number: true })] : [])], rows, { caption: names.join(" ") });

const way = (row) => route({ buy_venue: row.buy, sell_venue: row.sell });

async function pairsPage({ get, chosen, linkTo }) {
  const before = chosen.get("before"), found = await get("pairs", before ? { before } : {});
  if (!found.pairs.length) return [empty(found.empty)];
  const further = () => (linkTo ? el("p", {}, before ? [el("a", { href: linkTo("pairs") }, "newest pairs"), " "] : [], found.older ? el("a", { href: linkTo("pairs", { before: found.older }) }, "older pairs") : "") : found.older ? el("p", { class: "dim" }, "Older pairs are not in this file.") : null);
  return [...noted(found), el("p", { class: "dim" }, `${money(found.pairs.length, 0)} pairs, the latest first`), before ? further() : null, table([
    col("pair", (row) => (linkTo ? el("a", { href: linkTo("story", { id: row.short_id }) }, row.short_id) : row.short_id), { number: true, sort: (row) => BigInt(row.id) }),
    cash("net"), text("symbol"), col("buy → sell", way, { word: true, sort: way }), text("state", "state", { mark: (row) => (row.state === "completed" ? "" : "warn") }), at("decided", "decided_ns"), whole("size", "size"), cost("expected"),
    count("took ms", "took_ms"), col("unhedged, average", (row) => money(row.unhedged_average, 2), { number: true, sort: (row) => Number(row.unhedged_average) }), text("kind"),
    col("", (row) => shown(row.identity).replace(/^-$/, "")),
  ], found.pairs, { caption: "pairs" }), further()];
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
    el("div", { class: "cards" }, card(`Pair ${one.pair.short_id}: ${one.pair.symbol}, ${one.pair.state}`, pairs({
      kind: one.pair.kind, decided: utc(one.pair.decided_ns), took: one.pair.took_ms === null ? "still open" : `${ms(one.pair.took_ms)} ms`,
      residual: size(one.pair.residual_size), "unhedged, average": money(one.pair.unhedged_average, 2), "required edge": one.required_edge?.text,
      opportunity: one.opportunity ? `best edge ${money(one.opportunity.best_edge_bps, 2)} bps, ${one.opportunity.ticks} book changes` : "-",
    })), card("Where each cent went", falls(one.waterfall)), ...sides),
    card("Step by step", table([
      col("at ms", (row) => ms(row.at_ms), { number: true }), col("waited ms", (row) => ms(row.wait_ms), { number: true }), text("what", "what", { word: false }), text("of", "of", { word: false }),
    ], one.steps, { caption: "steps" })),
    one.alternatives.length ? card("What else could have been done", table([
      text("stage"), text("way"), text("buy"), text("sell"), col("size", (row) => size(row.size), { number: true }), col("price", (row) => size(row.price), { number: true }),
      cash("net"), col("edge bps", (row) => shown(row.edge_bps), { number: true }), col("", (row) => (row.taken ? "taken" : code("reason", row.reason))),
    ], one.alternatives, { caption: "alternatives" })) : null,
    card("Fills", table([
      col("at ms", (row) => ms(row.at_ms), { number: true }), text("venue"), text("side"), col("price", (row) => size(row.price), { number: true }), col("size", (row) => size(row.size), { number: true }),
      col("fee", (row) => `${size(row.fee)} ${row.fee_currency}`, { number: true }), cost("fee in quote", "fee_in_quote"), text("trade id", "trade_id", { word: false }),
    ], one.fills, { caption: "fills" })),
    one.incidents.length ? card("Incidents", table([col("at ms", (row) => ms(row.at_ms), { number: true }), coded("kind", "incident"), text("what", "text", { word: false })], one.incidents, { caption: "incidents" })) : null,
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
  const [found, drawn] = await Promise.all([get("report"), get("offered")]);
  if (found.empty) return [empty(found.empty)];
  const outcomes = Object.entries(found.opportunities).map(([outcome, number]) => ({ outcome, opportunities: number }));
  const quote = (rows) => (new Set(rows.map((row) => row.quote)).size > 1 ? [text("quote")] : []);
  return [...noted(found), ...sampled(drawn, "How long edges live, how large they are and when"), ...byQuote(drawn, (figures) => [
    figure(figures.route_edges, (of) => el("div", { class: "cards" }, of.routes.map(({ route: name, dots }) => el("div", {}, el("h3", {}, name), chart(Object.entries(dots).map(([name, points], n) => ({ name, points, as: "dots", hue: n ? "var(--warn)" : "var(--plot)" })), of.stretches, { unit: "edge after fees, bps", height: 180 })))),
      (of) => (of.routes_in_all > of.routes.length ? el("p", { class: "dim" }, `${of.routes.length} of ${of.routes_in_all} routes, those with most opportunities: filters choose others.`) : "")),
    el("div", { class: "two" }, figure(figures.lifetimes, (of) => plot(lines(of.lines, "line"), { axis: logarithm(time), x: "time since the edge opened", unit: "still there, %", marks: of.ours_ms ? [[of.ours_ms, "our first fill, p50"]] : [] })),
      figure(figures.edges, (of) => plot(Object.entries(of.bars).map(([name, numbers], n) => ({ name, as: "bars", hue: n ? "var(--good)" : "var(--dim)", points: numbers.map((number, at) => [of.bounds[at], of.bounds[at + 1], number]) })),
        { x: "bps", unit: `opportunities by their best edge after fees, bps (the last bar: ${of.bounds.at(-1).toFixed(0)} bps and above)` }))),
    figure(figures.on_offer, heat)]),
  el("div", { class: "two" }, el("div", {},
    card("By outcome", table([text("outcome"), count("opportunities"), barsOf(outcomes, (row) => row.opportunities)], outcomes, { caption: "by outcome" })),
    card("Why not", ...Object.values(drawn.quotes).map(({ reasons }) => el("p", {}, reasons.finding)), table([coded("reason", "reason"), text("outcome"), ...quote(found.refused), count("opportunities"), cost("best net", "best_net"), barsOf(found.refused, (row) => row.best_net)], found.refused, { caption: "reasons" }),
      el("p", { class: "dim" }, "an upper bound, for they compete for the same books and balances"))),
  el("div", {}, card("Other thresholds", ...Object.values(drawn.quotes).map(({ thresholds }) => el("p", {}, thresholds.finding)), el("p", { class: "dim" }, "Result at other minimum edges: of the pairs traded, sales of dust left out, and of all opportunities seen."),
    table([...quote(found.what_if), count("least edge, bps", "min_edge_bps"), count("pairs"), cash("net"), barsOf(found.what_if, (row) => row.net), count("seen"), cost("best net", "best_net")], found.what_if, { caption: "thresholds" }))))];
}

async function inventory({ get, state, chosen }) {
  const [found, drawn, report] = await Promise.all([get("holdings"), get("moved"), get("report")]), present = state().held || [];
  const asked = chosen.get("venue"), here = present.length ? Object.keys(present[0].amounts).filter((venue) => !asked || venue === asked) : [];
  return [here.length ? card("Held now", el("p", { class: "dim" }, "what the engine computes from the venues' last reports and the fills since"), held(present, here)) : null,
    ...byQuote(drawn, ({ account_value: value, inventory: moved }, quote) => [
      figure(value, (of) => el("div", {}, chart(lines(of.lines), of.stretches, { unit: `${quote}, all balances at the prices of fills` }),
        of.without.length ? el("p", { class: "dim" }, `without ${of.without.join(", ")}: no fill shows a price`) : "")),
      figure(moved, (of) => el("div", { class: "cards" }, of.assets.map(({ asset, change, lines: levels }) => el("div", {}, el("h3", {}, `${asset}: all together ${amount(change)}`),
      chart(lines(levels), of.stretches, { unit: `change of ${asset} by fills and fees`, height: 200 })))))]),
    report.moved.length ? card("What trading moved, exactly", table([text("venue"), text("asset"), whole("changed by fills and fees", "change")], report.moved, { caption: "moved" })) : null,
    ...(found ? reported(found) : [])];
}

function reported(found) {
  if (found.empty) return [empty(found.empty)];
  const charted = Object.entries(found.assets).filter(([, venues]) => Object.values(venues).some((points) => points.some(([, value]) => value !== points[0][1])));
  return [card("Last reported", table([text("asset"), text("venue"), col("free", (row) => size(row.free), { number: true }), col("locked", (row) => size(row.locked), { number: true }), at("reported", "ns")], found.latest, { caption: "balances" })),
    ...charted.map(([asset, venues]) => card(asset, chart(lines(venues), found.stretches, { unit: `${asset} held, by venue` }))),
    charted.length ? null : el("p", { class: "dim" }, "No report differs from the one before it: what changes is drawn from then on.")];
}

async function waterfall({ get }) {
  const [found, drawn] = await Promise.all([get("report"), get("earned")]);
  if (found.empty) return [empty(found.empty)];
  const of = (rows, quote) => rows.filter((row) => row.quote === quote);
  return [...noted(found), el("div", { class: "card brief" }, found.brief.map((sentence) => el("p", {}, sentence))),
    ...byQuote(drawn, (figures, quote, first) => [tiles(found, figures, quote, first),
      figure(figures.earnings, ({ lines: levels, stretches }) => chart(lines(levels).reverse(), stretches, { unit: `${quote}, added up` })),
      el("div", { class: "two" }, el("div", {}, figure(figures.waterfall, () => falls(found.waterfall[quote], exact), legs(found.leg_cost[quote], quote)), figure(figures.pair_results, (of) => against(of, quote))),
        el("div", {}, figure(figures.pnl, ({ spans, width, below_peak, stretches }) => el("div", {}, chart([["gain", "var(--good)", (net) => net >= 0], ["loss", "var(--bad)", (net) => net < 0]].map(([name, hue, is]) => ({ name, hue, as: "bars", points: spans.filter(([,, net]) => is(net)) })).filter((one) => one.points.length), stretches, { unit: `net in ${quote} per ${width}` }),
          chart([{ name: "below peak", points: below_peak, as: "steps", hue: "var(--bad)" }], stretches, { unit: `${quote} below the peak`, height: 140 }))))),
      card("Days", earned(of(found.days, quote), "day_utc")),
      figure(figures.places, () => earned(of(found.venue_pairs, quote), "buy_venue", "sell_venue"), el("h3", {}, "By venue, a pair at both of its venues"), () => earned(of(found.venues, quote), "venue")),
      of(found.unproved, quote).length ? card("Unproved coins, in no sum", earned(of(found.unproved, quote), "symbol", "buy_venue", "sell_venue")) : null,
      figure(figures.exposure, (of) => el("div", { class: "two" }, chart([{ name: of.unit, points: of.line, as: "steps" }], of.stretches, { unit: `${of.unit}, added up`, height: 180 }),
        table([col("venue pair", ([name]) => name, { word: true }), col(of.unit, (row) => amount(row[1]), { number: true }), barsOf(of.venue_pairs, (row) => row[1]), col("worst pair", (row) => amount(row[2]), { number: true })], of.venue_pairs, { caption: "exposure" })))]),
    card("Symbols", earned(found.symbols, "symbol"))];
}

// The few numbers a person looks for first.
function tiles(found, { earnings }, quote, first) {
  const net = found.net[quote] ?? "0", pairs = found.finished[quote] ?? 0, kept = found.kept_percent[quote], all = found.incidents.reduce((sum, row) => sum + row.incidents, 0);
  const critical = found.incidents.filter((row) => row.severity === "critical").reduce((sum, row) => sum + row.incidents, 0);
  return el("div", { class: "tiles" }, tile(`Net, ${quote}`, money(net, 2), kept === null || kept === undefined ? "" : `${kept} % of the expected kept`, signOf(net)),
    tile("Finished pairs", grouped(String(pairs)), pairs ? `${(100 * (earnings.won || 0) / pairs).toFixed(0)} % of them earned` : ""), tile("Fees paid", money(found.fees_in_quote[quote] ?? "0", 2), quote),
    tile("Unhedged, average", money(found.unhedged_average[quote] ?? "0", 2), `${quote}, of the time traded`), first ? tile("Incidents", grouped(String(all)), `${critical} critical`, critical ? "bad" : "") : null);
}

const exact = (figure) => grouped(figure).replace("-", "−");
const against = (of, quote) => plot([...Object.entries(of.dots).map(([name, points], n) => ({ name, points, as: "dots", hue: ["var(--plot)", "var(--bad)", "var(--dim)"][n] })),
  { name: "as expected", as: "line", points: of.as_expected.map((value) => [value, value]), hue: "var(--dim)" }], { x: "expected", unit: `realised over expected at the decision, ${quote}` });
const legs = (cost, quote) => (cost ? el("p", { class: "dim" }, `Beside the sum: legs falling short were expected to cost ${money(cost.expected, 2)} ${quote} at decision, and cost ${money(cost.realised, 2)}.`) : null);

async function venues({ get, state }) {
  const [found, drawn] = await Promise.all([get("report"), get("executed")]);
  return [state().venues ? venuesCard(state()) : null, found.execution.length ? card("How orders went", table([
    text("venue"), count("orders"), count("accepted"), count("rejected"), count("unknown"), count("repairs"), count("filled %", "fill_percent"),
    count("send p50 ms", "send_ms_p50"), count("p95", "send_ms_p95"), count("answer p50 ms", "ack_ms_p50"), count("p95", "ack_ms_p95"), count("fill p50 ms", "fill_ms_p50"), count("p95", "fill_ms_p95"),
    count("slippage bps", "slippage_bps"), count("worst 5 %", "worst_slippage_bps"),
  ], found.execution, { caption: "execution" })) : empty(found.empty || "no order"), ...sampled(drawn, "Waits and slippage"), ...byQuote(drawn, (figures, quote) => [
    el("div", { class: "two" }, el("div", {}, figure(figures.waits, ({ rows }) => waited(rows)),
      figure(figures.slippage, (of) => plot([...lines(of.dots, "dots"), { name: "mean", as: "levels", hue: "var(--text)", points: of.means }],
        { axis: logarithm(), x: `size of the leg, ${quote}`, unit: "better than decided on, bps; line: mean of a step of sizes, weighted by size" }))),
    el("div", {}, figure(figures.short_legs, ({ rows }) => table([
      text("venue"), count("filled %", "filled"), count("part %", "in part"), count("none %", "not at all"), count("rejected %", "rejected"), col("", (row) => bars("level", stacked([["taken", row.filled], ["part", row["in part"]], ["none", row["not at all"]], ["down", row.rejected]]))),
      col("repairs cost", (row) => `${amount(row.cost)} in ${row.pairs}`, { number: true, mark: (row) => signOf(row.cost) })], rows, { caption: "how legs ended" })),
    figure(figures.leg_skew, ({ parts }) => el("div", {}, parts.map((part) => plot([{ name: part.of, as: "bars", points: part.pairs.map((number, n) => [part.bounds_ms[n], part.bounds_ms[n + 1], number]) }],
      { axis: logarithm(time), x: "apart", unit: `pairs by the time between their two legs: ${part.of}`, height: 150, marks: [[part.p50_ms, `p50 ${time(part.p50_ms)}`]] }))))))]),
  el("div", { class: "two" }, card("Fees by currency", table([text("asset"), whole("paid, in the asset (below zero: rebate)", "fees")], Object.entries(found.fees).map(([asset, fees]) => ({ asset, fees })), { caption: "fees by currency" })),
    found.fees_planned.length ? card("Fees planned and charged", table([text("venue"), text("asset"), text("quote"), count("fills"), cost("planned", "expected"), cost("charged")], found.fees_planned, { caption: "fees" })) : null)];
}

const stacked = (parts) => parts.map(([mark, of], n) => [mark, 10 * parts.slice(0, n).reduce((sum, [, before]) => sum + before, 0), 10 * of]);

// Waits on a logarithmic ground: strong up to the middle one, weak up to that which one of a hundred exceeds.
function waited(rows) {
  const log = rows.flatMap((row) => row.slice(2).map(Math.log10)), low = Math.floor(Math.min(...log)), wide = Math.max(...log) - low || 1;
  const part = (row, n) => 1000 * (Math.log10(row[n]) - low) / wide, ms = (name, n) => col(name, (row) => time(row[n]), { number: true });
  return table([col("venue", ([venue]) => venue, { word: true }), col("wait", (row) => row[1], { word: true }), ms("p50", 2), ms("p95", 3), ms("p99", 4), col("", (row) => bars("level", [["lies", 0, part(row, 4)], ["taken", 0, part(row, 2)]]))], rows, { caption: "waits" });
}

const GRAVE = ["info", "warning", "critical"];
const grave = (row) => ({ critical: "bad", warning: "warn" })[row.severity] || "";

// The incidents of a kind in one line, and the latest of them below it when it is opened.
function ofKind({ kind, severity, incidents: number, open, cost: lost }, rows, linkTo) {
  const facts = [`${money(number, 0)} ${severity}`, open && severity !== "info" ? `${money(open, 0)} not acknowledged` : "", Number(lost) ? `cost ${money(lost, 2)}` : "", rows.length ? `latest ${utc(rows[0].ns)}` : ""].filter(Boolean).join("; ");
  const made = el("details", { ontoggle: () => {
    if (made.childElementCount === 1) made.append(rows.length < number ? el("p", { class: "dim" }, `${rows.length} of them are among the latest incidents`) : "", table([
      at("at", "ns"), text("venue"), col("pair", (row) => (row.pair && linkTo ? el("a", { href: linkTo("story", { id: row.pair }) }, row.pair) : shown(row.pair)), { number: true, sort: (row) => BigInt(row.pair_trade_id || 0) }), text("what", "text", { word: false }), cash("cost"),
    ], rows, { caption: `incidents ${kind}` }));
  } }, el("summary", {}, code("incident", kind), el("span", { class: grave({ severity }) || "dim" }, ` ${facts}`)));
  return made;
}

async function incidents({ get, about, act, linkTo }) {
  const [alerts, found, report] = await Promise.all([get("alerts"), get("incidents"), get("report")]);
  return [alerts ? card("Alerts that need a person", ...(alerts.alerts.length ? alertsList(alerts.alerts, about.control ? act : null) : [el("p", { class: "good" }, alerts.empty)])) : null,
    card("Incidents", report.incidents.length ? [...report.incidents].sort((a, b) => GRAVE.indexOf(b.severity) - GRAVE.indexOf(a.severity)).map((sums) => ofKind(sums, found.incidents.filter((row) => row.kind === sums.kind && row.severity === sums.severity), linkTo)) : el("p", { class: "dim" }, found.empty)),
    report.runs.length ? card("Runs", table([count("run", "run_number"), text("id", "run_id"), text("mode"), text("version"), text("seed"), at("started", "started_ns"), col("ended", (row) => (row.ended_ns === null ? "running, or killed" : utc(row.ended_ns)), { word: true }),
      col("lasted", (row) => duration(Number(BigInt(row.until_ns) - BigInt(row.started_ns)) / 1e9), { number: true }), text("exit code", "exit_code"), coded("halted", "halt")], report.runs, { caption: "runs" })) : null];
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
  now: { title: "Now", live: true, make: async ({ state, read, about, act }) => now(state(), await read(), about.control ? act : null) },
  books: { title: "Books", live: true, make: async (context) => books(context) },
  pairs: { title: "Pairs", renews: true, make: pairsPage },
  opportunities: { title: "Opportunities", make: opportunities },
  inventory: { title: "Inventory", make: inventory },
  waterfall: { title: "Waterfall", make: waterfall },
  venues: { title: "Venues", make: venues },
  incidents: { title: "Incidents", renews: true, make: incidents },
  reconciliation: { title: "Reconciliation", renews: true, make: reconciliation },
};
