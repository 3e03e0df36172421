// Figures made of SVG: bars of levels, falls of a waterfall, what each minute brought.
import { el, money, signOf } from "./dom.js";

function svg(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// Bars on a ground that is 1000 wide, each [class, from, width], the later ones on top.
export function bars(kind, parts) {
  const made = svg("svg", { viewBox: "0 0 1000 20", preserveAspectRatio: "none", "aria-hidden": "true", class: kind });
  made.append(...parts.map(([mark, x, width]) => svg("rect", { x, y: 3, width, height: 14, class: mark })));
  return made;
}

// A column of bars that shows how large a figure is beside the others of its table.
export const barsOf = (rows, of) => {
  const most = Math.max(...rows.map((row) => Math.abs(Number(of(row)) || 0))) || 1;
  return { name: "", of: (row) => bars("level", [["taken", 0, 1000 * Math.abs(Number(of(row)) || 0) / most]]) };
};

// The terms of a waterfall, each from where the one before it ended; says so when they do not add up.
export function falls(terms) {
  const values = Object.entries(terms).map(([name, value]) => [name, value === null ? null : Number(value)]);
  if (values.some(([, value]) => value === null)) return el("p", { class: "dim" }, "not finished yet");
  const sum = values.at(-1)[1], parts = values.slice(0, -1);
  let at = 0, low = Math.min(0, sum), high = Math.max(0, sum);
  const steps = parts.map(([name, value]) => { const from = at; at += value; low = Math.min(low, at); high = Math.max(high, at); return [name, value, from, at]; });
  const wide = high - low || 1, place = (value) => 1000 * (value - low) / wide;
  const rows = [...steps.map(([name, value, from, to]) => [name, value, Math.min(from, to), Math.max(from, to), value < 0 ? "down" : "up"]), [values.at(-1)[0], sum, Math.min(0, sum), Math.max(0, sum), "sum"]];
  const wrong = Math.abs(at - sum) > 1e-6 ? el("p", { class: "bad", role: "alert" }, "these terms do not add up") : null;
  return el("div", {}, el("div", { class: "falls" }, rows.flatMap(([name, value, from, to, mark]) => [
    el("span", mark === "sum" ? { class: "sum" } : {}, name.replaceAll("_", " ")), bars("fall", [[mark, place(from), Math.max(place(to) - place(from), 3)]]),
    el("span", { class: `${mark === "sum" ? "sum " : ""}${signOf(value)}`.trim() || null }, money(value))])), wrong);
}

// A bar for each minute, above the line a gain and below it a loss; where nothing ran there is none (null).
export function byMinute(values, unit) {
  const nets = values.map((value) => (value === null ? null : Number(value)));
  const high = Math.max(0, ...nets), low = Math.min(0, ...nets), most = high - low || 1, wide = 1000 / nets.length;
  const place = (value) => 4 + 92 * (high - value) / most;
  const made = svg("svg", { viewBox: "0 0 1000 100", preserveAspectRatio: "none", "aria-hidden": "true" });
  made.append(...nets.flatMap((net, n) => (net === null ? [] : [svg("rect", {
    x: n * wide + wide * 0.15, width: wide * 0.7, y: Math.min(place(net), place(0)), height: Math.max(Math.abs(place(net) - place(0)), 1.5), class: net < 0 ? "down" : net > 0 ? "up" : "nil",
  })])), svg("line", { x1: 0, x2: 1000, y1: place(0), y2: place(0) }));
  const said = nets.filter((net) => net !== null), best = said.length ? Math.max(...said) : 0;
  return el("figure", { class: "minutes" }, made, el("figcaption", { class: "dim" },
    el("span", {}, `${nets.length - 1} minutes ago`), el("span", {}, `best minute ${money(best, 2)} ${unit}`), el("span", {}, "now")));
}
