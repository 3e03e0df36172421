// The present state, and what may be ordered.
import { card, el, empty, money, pairs, shown, signOf, size, table } from "./dom.js";
import { duration } from "./chart.js";

export function now(state) {
  if (state.engine === "not running") return [empty("No engine runs on this ledger. The other pages show what it holds.")];
  const reasons = Object.entries(state.not_taken || {}).map(([reason, count]) => ({ reason, count }));
  const net = Object.entries(state.net || {}).map(([asset, amount]) => `${money(amount)} ${asset}`).join(", ") || "0";
  return [el("div", { class: "cards" },
    card("Venues", table([
      { name: "venue", of: (row) => row.venue, word: true },
      { name: "books", of: (row) => row.books, number: true },
      { name: "private", of: (row) => row.private, mark: (row) => (row.private === "up" ? "" : "bad") },
      { name: "lag ms", of: (row) => shown(row.lag_ms), number: true },
      { name: "health", of: (row) => row.health, mark: (row) => (row.health === "healthy" ? "good" : "warn") },
      { name: "", of: (row) => row.halted || (row.health === "healthy" ? "" : row.health_cause) || "" },
    ], state.venues || [], { caption: "venues" })),
    card("Best edges", table([
      { name: "symbol", of: (row) => row.symbol + (row.identity ? ` (${row.identity})` : ""), word: true },
      { name: "buy at", of: (row) => row.buy, word: true }, { name: "sell at", of: (row) => row.sell, word: true },
      { name: "net bps", of: (row) => money(row.edge_bps, 2), number: true, mark: (row) => signOf(row.edge_bps) },
      { name: "", of: (row) => row.reason || row.why || "", word: true },
    ], (state.edges || []).slice(0, 12), { caption: "best edges" }), state.edges_in_all > 12 ? el("p", { class: "dim" }, `${state.edges_in_all} symbols in all`) : null),
    card("Open pairs", (state.open_pairs || []).length ? table([
      { name: "pair", of: (row) => el("a", { href: `?page=story&id=${row.id}` }, String(row.id).slice(-9).replace(/^0+/, "")), number: true },
      { name: "symbol", of: (row) => row.symbol, word: true }, { name: "buy", of: (row) => row.buy, word: true }, { name: "sell", of: (row) => row.sell, word: true },
      { name: "size", of: (row) => size(row.size), number: true }, { name: "state", of: (row) => row.state, word: true },
      { name: "age", of: (row) => duration(row.age_ms / 1000), number: true }, { name: "expected", of: (row) => money(row.expected_net), number: true },
    ], state.open_pairs, { caption: "open pairs" }) : el("p", { class: "dim" }, "none")),
    card("Unhedged", (state.unhedged || []).length ? table([
      { name: "asset", of: (row) => row.asset, word: true }, { name: "size", of: (row) => size(row.size), number: true },
      { name: "value", of: (row) => money(row.value, 2), number: true, mark: () => "bad" }, { name: "age", of: (row) => duration(row.age_ms / 1000), number: true },
    ], state.unhedged, { caption: "unhedged" }) : el("p", { class: "good" }, "nothing is unhedged")),
    card("This run", pairs({
      net, "pairs opened": state.pairs?.opened, completed: state.pairs?.completed, unwound: state.pairs?.unwound, orders: state.orders,
      fills: state.fills, opportunities: state.opportunities, incidents: state.incidents, "frames read": state.frames,
      "unhedged today": state.exposure ? `${money(state.exposure.quote_s, 2)} of ${money(state.exposure.limit_quote_s, 2)} quote x s` : "-",
    })),
    card("Not taken", reasons.length ? table([{ name: "reason", of: (row) => row.reason, word: true }, { name: "opportunities", of: (row) => row.count, number: true }], reasons, { caption: "not taken" }) : el("p", { class: "dim" }, "none")),
    (state.inventory || []).length ? card("Inventory in its bands", table([
      { name: "venue", of: (row) => row.venue, word: true }, { name: "asset", of: (row) => row.asset, word: true },
      { name: "held", of: (row) => size(row.held), number: true },
      { name: "in its band", of: (row) => (row.position === null ? "-" : Number(row.position) <= -1 ? "scarce" : Number(row.position) >= 1 ? "too much" : row.position), number: true },
    ], state.inventory, { caption: "inventory" })) : null,
  )];
}

export function onState(state, main) {
  if (main.contains(document.activeElement) && document.activeElement !== main) return;  // somebody reads there by keyboard
  const title = main.querySelector("h1");
  if (title) main.replaceChildren(title, ...now(state));
}

const WHAT = {
  halt: "Nothing more is opened; open pairs are finished. Holds until it is resumed.",
  resume: "Trading goes on, whoever or whatever halted it.",
  flatten: "Own orders are cancelled, open pairs finished, own exposure is traded away; then it halts.",
  acknowledge: "The alert, as it is shown now, needs nobody any more.",
};

export function steer(name, id, send, done) {
  const dialog = document.getElementById("ask").content.cloneNode(true).firstElementChild;
  document.body.append(dialog);
  const form = dialog.querySelector("form"), error = dialog.querySelector(".error");
  dialog.querySelector("h2").textContent = name;
  dialog.querySelector(".what").textContent = WHAT[name];
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
