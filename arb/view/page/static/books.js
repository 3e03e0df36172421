// The two live books of a route, side by side, and the pair that they would make now.
import { duration } from "./chart.js";
import { bars } from "./figures.js";
import { amount, card, code, el, empty, money, size, table } from "./dom.js";
import { tile } from "./now.js";

const PARTS = ["symbol", "buy", "sell"];

// The route of the address; where it names none, the best edge's, of the symbol if one is named.
export function routeOf(chosen, { edges = [] }) {
  const named = Object.fromEntries(PARTS.map((part) => [part, chosen.get(part)])), best = edges.find((row) => row.symbol === named.symbol) || edges[0];
  if (named.symbol && named.buy && named.sell) return named;
  return best && Object.fromEntries(PARTS.map((part) => [part, best[part]]));
}

export function books({ state, chosen, go }) {
  const now = state(), asked = routeOf(chosen, now);
  if (!asked) return [empty(now.engine === "not running" ? "No engine runs on this ledger: `arb run` starts one." : "No books yet.")];
  const found = (now.depths || []).find((row) => row.symbol === asked.symbol && row.buy === asked.buy && row.sell === asked.sell);
  const venues = (now.venues || []).map((row) => row.venue), symbols = (now.edges || []).map((row) => row.symbol);
  const choice = el("form", { class: "card choice", "aria-label": "Route" }, [["symbol", [...new Set([...symbols, asked.symbol])].sort()], ["buy", venues], ["sell", venues]].map(([name, known]) =>
    el("label", {}, name === "symbol" ? "symbol " : `${name} at `, el("select", { name, onchange: ({ target }) => go(`?${new URLSearchParams({ page: "books", ...asked, [name]: target.value })}`) },
      known.map((one) => el("option", { value: one, selected: one === asked[name] }, one))))));
  if (!found) return [choice, empty(asked.buy === asked.sell ? "Choose two venues." : "No such books, or other pages show as many routes as the engine sends.")];
  const [buy, sell] = found.books, plan = found.plan;
  return [choice, el("div", { class: "tiles" },
    tile("Edge after fees", found.edge_bps === null ? "-" : `${money(found.edge_bps, 2)} bps`, found.gross_bps === null ? "" : `${money(found.gross_bps, 2)} bps before fees, at the best quotes`, Number(found.edge_bps) > 0 ? "good" : ""),
    tile("The best pair now", plan ? `${amount(plan.net)} net` : "none", plan ? `${money(plan.edge_bps, 2)} bps; balances and limits not counted` : "fees exceed the edge", plan ? "good" : ""),
    tile("Orders", plan ? plan.legs.map((leg) => size(leg.size)).join(" / ") : "-", plan ? `buy up to ${size(plan.legs[0].limit)}, sell from ${size(plan.legs[1].limit)}` : "", ""),
    tile("Not taken because", plan ? code("reason", found.not_taken) : "-", "as last judged", found.not_taken ? "warn" : "")),
  el("div", { class: "two" }, ladder(`Buy at ${found.buy}`, buy, "asks", plan?.legs[0].size), ladder(`Sell at ${found.sell}`, sell, "bids", plan?.legs[1].size))];
}

// One book, the asks above the bids; `taken`: how much of its `side` the pair would take.
function ladder(title, book, side, taken) {
  const rows = ["asks", "bids"].flatMap((name) => {
    let total = 0;
    const found = book[name].map(([price, held]) => { const before = total; total += Number(held); return { side: name, price, size: held, total, reached: name === side && before < Number(taken || 0) }; });
    return name === "asks" ? found.reverse() : found;
  });
  const places = Math.max(0, ...rows.map((row) => (row.price.split(".")[1] || "").length));  // so that points are below each other
  const most = Math.max(...rows.map((row) => row.total), 0) || 1, mark = (row) => (row.reached ? "reached" : row.side === side ? "" : "dim");
  return card(title, el("p", { class: book.unfit ? "warn" : "dim" }, book.age_ms === null ? "nothing received" : `changed ${duration(book.age_ms / 1000)} ago`, book.unfit ? ["; not fit to trade: ", code("reason", book.unfit)] : []), table([
    { name: "", of: (row) => row.side.slice(0, 3), word: true, mark }, { name: "price", of: (row) => money(row.price, places), number: true, mark }, { name: "size", of: (row) => size(row.size), number: true, mark },
    { name: "total", of: (row) => amount(row.total), number: true, mark }, { name: "", of: (row) => bars("level", [[row.reached ? "taken" : "lies", 0, 1000 * row.total / most]]) },
  ], rows, { caption: title }));
}
