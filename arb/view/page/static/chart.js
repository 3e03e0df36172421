// Plots by uPlot: lines, steps, bars and dots over trading time, over a number, or over its logarithm.
import { el } from "./dom.js";

const GAP = 0.03;

// What lies between two stretches in which an engine ran is a narrow gap, and no line crosses it.
export function tradingTime(stretches) {
  const spans = stretches.map(([begin, end]) => [Number(begin) / 1e9, Number(end) / 1e9]);
  const traded = spans.reduce((sum, [begin, end]) => sum + Math.max(end - begin, 0), 0) || 1;
  const gap = traded * GAP;
  const places = [];
  let at = 0;
  for (const [begin, end] of spans) { places.push({ begin, end, at }); at += end - begin + gap; }
  const to = (ns) => {
    const s = Number(ns) / 1e9;
    let found = places[0];
    for (const place of places) if (s >= place.begin) found = place;
    return found.at + Math.min(Math.max(s - found.begin, 0), found.end - found.begin);
  };
  const back = (x) => {
    let found = places[0];
    for (const place of places) if (x >= place.at) found = place;
    return found.begin + Math.min(Math.max(x - found.at, 0), found.end - found.begin);
  };
  return { to, back, traded, breaks: places.slice(1).map((place) => place.at - gap / 2), places };
}

const HUES = ["var(--plot)", "var(--warn)", "var(--good)", "var(--bad)", "var(--dim)"];
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name.slice(4, -1)).trim();
const written = (value) => (value === null || value === undefined ? "-" : Number(value.toPrecision(6)).toLocaleString("en", { maximumFractionDigits: 12 }).replace("-", "−"));

// Axes of x: how a value lies on it, and what is written of a place.
export const number = { to: (value) => value, label: written };
export const logarithm = (words = written) => ({
  to: Math.log10, label: (x) => words(10 ** x),
  splits: (_, _axis, low, high) => { // 1, 2, 5 of each decade, of many decades 1 alone
    const of = high - low > 2 ? [1] : [1, 2, 5], found = [];
    for (let decade = Math.floor(low); decade <= high; decade++) found.push(...of.map((step) => decade + Math.log10(step)).filter((x) => x >= low && x <= high));
    return found;
  },
});

// Shapes that are drawn as they are, of points [x, y, how many], or [from, to, y] of bars and levels.
function shapes(one, axis) {
  return (plot) => {
    const path = new Path2D(), at = (x) => plot.valToPos(axis.to(x), "x", true), high = (y) => plot.valToPos(y, "y", true);
    for (const [a, b, c] of one.points) {
      if (one.as === "levels") path.rect(at(a), high(c) - 1, at(b) - at(a), 2 * devicePixelRatio);
      else if (one.as === "bars") path.rect(at(a) + 1, high(Math.max(c, 0)), Math.max(at(b) - at(a) - 2, 1), Math.abs(high(c) - high(0)));
      else { const radius = devicePixelRatio * (2 + 0.7 * Math.log2(c)); path.moveTo(at(a) + radius, high(b)); path.arc(at(a), high(b), radius, 0, 7); }
    }
    return { fill: path, stroke: null, clip: null, band: null, gaps: null, flags: 0 };
  };
}

const drawn = (one) => ["bars", "levels", "dots"].includes(one.as);
const middle = (one, axis) => (one.as === "bars" || one.as === "levels" ? ([from, to, y]) => [(axis.to(from) + axis.to(to)) / 2, y] : ([x, y]) => [axis.to(x), y]);

// series: [{name, points: [[x, y]], as: "line" | "steps" | "bars" | "levels" | "dots", hue}]; marks: [[x, words]]
export function plot(series, { axis = number, unit = "", x = "", height = 240, breaks = [], marks = [] } = {}) {
  const host = el("div", { class: "chart", role: "img", "aria-label": `${series.map((one) => one.name).join(", ")}; ${unit}; ${x}` });
  host.style.minHeight = `${height}px`;
  const ends = series.filter((one) => one.as === "bars" && one.points.length).flatMap((one) => [axis.to(one.points[0][0]), axis.to(one.points.at(-1)[1])]);
  const known = series.map((one) => new Map(one.points.map(middle(one, axis))));
  const xs = [...new Set([...known.flatMap((of) => [...of.keys()]), ...breaks, ...ends])].sort((a, b) => a - b), gaps = new Set(breaks);
  const data = [xs, ...known.map((of) => xs.map((at) => (gaps.has(at) ? null : of.get(at))))];  // undefined is joined over, null is a gap
  const hue = (one, n) => () => colour(one.hue || HUES[n % HUES.length]);
  const look = { stroke: () => colour("var(--dim)"), grid: { stroke: () => colour("var(--line)") } };
  const make = () => {
    host.replaceChildren();
    new uPlot({
      width: Math.max(host.clientWidth, 260), height,
      scales: { x: { time: false }, y: { range: (_, low, high) => (ends.length ? uPlot.rangeNum(Math.min(low, 0), Math.max(high, 0), 0.1, true) : uPlot.rangeNum(low, high, 0.1, true)) } },
      cursor: { drag: { x: true, y: false } },
      series: [{ label: x, value: (_, at) => (at === null ? "-" : axis.label(at)) }, ...series.map((one, n) => ({
        label: one.name, stroke: hue(one, n), width: 1.5, spanGaps: false, value: (_, y) => written(y),
        ...(drawn(one) ? { paths: shapes(one, axis), fill: () => hue(one, n)() + (one.as === "dots" ? "90" : ""), points: { show: false } }
          : { paths: one.as === "steps" ? uPlot.paths.stepped({ align: 1 }) : undefined, points: { show: known[n].size < (one.as ? 2 : 60) } }),
      }))],
      axes: [{ ...look, values: (_, ticks) => ticks.map(axis.label), space: 110, ...(axis.splits && { splits: axis.splits }) },
        { ...look, values: (_, ticks) => ticks.map(written), size: (_, values) => 24 + 7.5 * Math.max(4, ...(values || []).map((value) => String(value).length)) }],
      hooks: { draw: [({ ctx, bbox, valToPos }) => {
        ctx.save();
        ctx.strokeStyle = ctx.fillStyle = colour("var(--dim)");
        ctx.setLineDash([3, 4]);
        for (const [at, words] of [...breaks.map((place) => [place, ""]), ...marks.map(([value, said]) => [axis.to(value), said])]) {
          const px = valToPos(at, "x", true);
          if (px < bbox.left || px > bbox.left + bbox.width) continue;
          ctx.beginPath();
          ctx.moveTo(px, bbox.top);
          ctx.lineTo(px, bbox.top + bbox.height);
          ctx.stroke();
          ctx.textAlign = px > bbox.left + 0.7 * bbox.width ? "right" : "left";
          ctx.fillText(words, px + (ctx.textAlign === "left" ? 5 : -5), bbox.top + 12);
        }
        ctx.restore();
      }] },
    }, data, host);
  };
  let width = 0;
  new ResizeObserver(() => { if (Math.abs(host.clientWidth - width) > 4) { width = host.clientWidth; make(); } }).observe(host);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", make);
  return el("div", {}, host, unit ? el("p", { class: "dim" }, unit) : "");
}

// Series over trading time; of each point the first number is an instant in ns, of a bar the first two.
export function chart(series, stretches, { unit = "", ...more } = {}) {
  const time = tradingTime(stretches.length ? stretches : [[series[0].points[0][0], series[0].points.at(-1)[0]]]);
  const iso = (at) => new Date(time.back(at) * 1000).toISOString(), whole = time.places.at(-1);
  const oneDay = iso(0).slice(0, 10) === iso(whole.at + whole.end - whole.begin).slice(0, 10);
  const label = (at) => iso(at).slice(...(oneDay ? [11, 19] : [5, time.traded < 7200 ? 19 : 16])).replace("T", " ");
  const stopped = time.breaks.length ? ` in ${time.places.length} stretches; dashed lines: nothing ran` : "";
  return plot(series, { axis: { to: time.to, label }, breaks: time.breaks, unit: `${unit}; ${duration(time.traded)} of trading${stopped}`, x: "UTC", ...more });
}

export function duration(s) {
  const parts = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const at = parts.findIndex(([, unit]) => s >= unit);
  if (at < 0) return s > 0 && s < 0.001 ? `${Math.round(s * 1e6)} µs` : `${Math.round(s * 1000)} ms`;
  const [name, unit] = parts[at], next = parts[at + 1];
  const rest = next ? Math.floor((s % unit) / next[1]) : 0;
  return `${Math.floor(s / unit)} ${name}${rest ? ` ${rest} ${next[0]}` : ""}`;
}
