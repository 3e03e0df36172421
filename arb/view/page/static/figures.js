// Figures made of SVG: bars of levels, falls of a waterfall, what each minute brought, what each hour offered.
import { amount, card, el, empty, money, signOf } from "./dom.js";

function svg(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// Bars on a ground that is 1000 wide, each [class, from, width], the later ones on top; `words` are shown where it is pointed at.
export function bars(kind, parts) {
  const made = svg("svg", { viewBox: "0 0 1000 20", preserveAspectRatio: "none", "aria-hidden": "true", class: kind });
  made.append(...parts.map(([mark, x, width, words, opacity = 1]) => {
    const bar = svg("rect", { x, y: 3, width, height: 14, class: mark, "fill-opacity": opacity });
    if (words) bar.append(svg("title", {})), bar.firstChild.append(words);
    return bar;
  }));
  return made;
}

// A figure of an answer under its finding, or that there is nothing to draw.
export const figure = (found, ...drawn) => (found.empty ? empty(found.empty) : card(found.finding, ...drawn.map((draw) => (typeof draw === "function" ? draw(found) : draw))));

// What each place of each row holds, the stronger the more; where nothing ran (null) the ground stays blank.
export function heat({ rows, columns, when, quote }) {
  const most = Math.max(...rows.flatMap(([, line]) => line.map(Number))) || 1, wide = 1000 / columns.length;
  const ends = [0, Math.floor(columns.length / 2), columns.length - 1].map((n) => el("span", {}, columns[n]));
  return el("div", {}, el("div", { class: "falls" }, rows.flatMap(([name, line]) => [el("span", {}, name), bars("heat", line.flatMap((value, n) => (value === null ? [] : [
    ["taken", n * wide + wide * 0.05, wide * 0.9, `${name}, ${columns[n]}: ${amount(value)} ${quote}`, 0.05 + 0.95 * value / most]]))), el("span", {}, amount(line.reduce((sum, value) => sum + (value || 0), 0)))]),
  el("span", {}, ""), el("div", { class: "ends dim" }, ends), el("span", {}, "")), el("p", { class: "dim" }, `${when}; ${quote} at the best instant of each opportunity${rows[0][1].includes(null) ? "; blank: nothing ran" : ""}`));
}

// A column of bars that shows how large a figure is beside the others of its table, a loss as such.
export const barsOf = (rows, of) => {
  const most = Math.max(...rows.map((row) => Math.abs(Number(of(row)) || 0))) || 1;
  return { name: "", of: (row) => bars("level", [[Number(of(row)) < 0 ? "down" : "taken", 0, 1000 * Math.abs(Number(of(row)) || 0) / most]]) };
};

// The terms of a waterfall, each from where the one before it ended; says so when they do not add up.
export function falls(terms, digits = money) {
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
    el("span", { class: `${mark === "sum" ? "sum " : ""}${signOf(value)}`.trim() || null }, digits(terms[name]))])), wrong);
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
