// The report in a file: all pages of the answers that lie in it, one below the other. Nothing is asked of anybody.
import { el, learn } from "./dom.js";
import { PAGES } from "./pages.js";

const SHOWN = ["waterfall", "opportunities", "venues", "inventory", "incidents", "pairs"];
const answers = JSON.parse(document.getElementById("answers").textContent), main = document.getElementById("main"), chosen = { venue: "", symbol: "" };

// Rows of tables that name a venue or a symbol. Sums and figures are of all: the command that wrote the file takes filters, too.
const mine = (row) => (!chosen.venue || row.venue === undefined && row.buy_venue === undefined && row.buy === undefined || [row.venue, row.buy_venue, row.sell_venue, row.buy, row.sell].includes(chosen.venue))
  && (!chosen.symbol || row.symbol === undefined || row.symbol === chosen.symbol);
const narrowed = (answer) => answer && Object.fromEntries(Object.entries(answer).map(([name, value]) => [name, Array.isArray(value) ? value.filter(mine) : value]));

function choice(name) {
  const known = new Set(Object.values(answers).flatMap((answer) => Object.values(answer).filter(Array.isArray).flat()).flatMap((row) => (name === "venue" ? [row.venue, row.buy_venue, row.sell_venue, row.buy, row.sell] : [row.symbol])).filter(Boolean));
  return el("label", {}, `${name} `, el("select", { name, onchange: (event) => { chosen[name] = event.target.value; draw(); } }, el("option", { value: "" }, "all"), [...known].sort().map((one) => el("option", { value: one }, one))));
}

async function draw() {
  const context = { get: async (name) => narrowed(answers[name]), chosen: new URLSearchParams(), state: () => ({ engine: "not running" }), about: { control: false } };
  const sections = await Promise.all(SHOWN.map(async (name) => el("section", { id: name }, el("h1", {}, PAGES[name].title), ...[await PAGES[name].make(context)].flat().filter(Boolean))));
  main.replaceChildren(...sections);
}

learn(answers.meanings);
document.body.append(el("p", { id: "meaning", role: "status" }));
document.querySelector("header").append(el("nav", { "aria-label": "Pages" }, SHOWN.map((name) => el("a", { href: `#${name}` }, PAGES[name].title))),
  el("form", { id: "filters", "aria-label": "Filters" }, choice("venue"), choice("symbol"), el("span", { class: "dim" }, "chooses rows of tables; sums and figures are of all")));
draw();
