// Lines over trading time: what lies between two stretches in which an engine ran is a narrow gap, and no line crosses it.
import { el } from "./dom.js";

const GAP = 0.03;

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

const HUES = ["var(--plot)", "var(--good)", "var(--warn)", "var(--bad)", "var(--dim)"];
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name.slice(4, -1)).trim();

// series: [{name, points: [[ns, value]]}]
export function chart(series, stretches, { unit = "", height = 260 } = {}) {
  const host = el("div", { class: "chart", role: "img", "aria-label": `${series.map((one) => one.name).join(", ")}, ${unit}, over trading time` });
  const time = tradingTime(stretches.length ? stretches : [[series[0].points[0][0], series[0].points.at(-1)[0]]]);
  const xs = [...new Set([...series.flatMap((one) => one.points.map(([ns]) => time.to(ns))), ...time.breaks])].sort((a, b) => a - b);
  const data = [xs, ...series.map((one) => {
    const known = new Map(one.points.map(([ns, value]) => [time.to(ns), value]));
    const breaks = new Set(time.breaks);
    return xs.map((x) => (breaks.has(x) ? null : known.get(x)));  // undefined is joined over, null is a gap
  })];
  const iso = (x) => new Date(time.back(x) * 1000).toISOString();
  const oneDay = iso(xs[0]).slice(0, 10) === iso(xs.at(-1)).slice(0, 10);
  const label = (x) => iso(x).slice(...(oneDay ? [11, 19] : [5, 16])).replace("T", " ");
  const axis = { stroke: () => colour("var(--dim)"), grid: { stroke: () => colour("var(--line)") } };
  const make = () => {
    host.replaceChildren();
    new uPlot({
      width: Math.max(host.clientWidth, 260), height,
      scales: { x: { time: false } },
      cursor: { drag: { x: true, y: false } },
      series: [{ label: "UTC", value: (_, x) => (x === null ? "-" : label(x)) }, ...series.map((one, n) => ({
        label: one.name, stroke: () => colour(HUES[n % HUES.length]), width: 1.5, points: { show: one.points.length < 60 }, spanGaps: false,
        value: (_, y) => (y === null || y === undefined ? "-" : String(Number(y.toPrecision(8)))),
      }))],
      axes: [{ ...axis, values: (_, ticks) => ticks.map(label), space: 110 }, { ...axis, size: (_, values) => 24 + 7.5 * Math.max(4, ...(values || []).map((value) => String(value).length)) }],
      hooks: { draw: [(plot) => {
        plot.ctx.save();
        plot.ctx.strokeStyle = colour("var(--dim)");
        plot.ctx.setLineDash([3, 4]);
        for (const x of time.breaks) {
          const at = plot.valToPos(x, "x", true);
          if (at < plot.bbox.left || at > plot.bbox.left + plot.bbox.width) continue;
          plot.ctx.beginPath();
          plot.ctx.moveTo(at, plot.bbox.top);
          plot.ctx.lineTo(at, plot.bbox.top + plot.bbox.height);
          plot.ctx.stroke();
        }
        plot.ctx.restore();
      }] },
    }, data, host);
  };
  let width = 0;
  new ResizeObserver(() => { if (Math.abs(host.clientWidth - width) > 4) { width = host.clientWidth; make(); } }).observe(host);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", make);
  const stopped = time.breaks.length ? ` in ${time.places.length} stretches; dashed lines: nothing ran` : "";
  return el("div", {}, host, el("p", { class: "dim" }, `${unit}; ${duration(time.traded)} of trading${stopped}`));
}

export function duration(s) {
  const parts = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const at = parts.findIndex(([, unit]) => s >= unit);
  if (at < 0) return `${Math.round(s * 1000)} ms`;
  const [name, unit] = parts[at], next = parts[at + 1];
  const rest = next ? Math.floor((s % unit) / next[1]) : 0;
  return `${Math.floor(s / unit)} ${name}${rest ? ` ${rest} ${next[0]}` : ""}`;
}
