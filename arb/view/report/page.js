// Values where a figure is pointed at, and figures stretched by dragging over them: what is drawn already is read and moved,
// so that a page without this script shows the same. Texts are only ever set as text.
const within = (parent, name) => parent.appendChild(document.createElementNS(parent.namespaceURI, name)); // a new element
const STEPS_S = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200,
  14400, 21600, 43200, 86400, 604800, 2419200, 7862400, 31449600];
const numbers = (text) => text.trim().split(/[ ,]+/).map(Number);
const commands = (d) => [...d.matchAll(/([MLHVz])([^MLHVz]*)/g)].map(([, name, rest]) => [name, rest.trim() ? numbers(rest) : []]);

function points(d) { // of a path, a list for each of its parts
  const parts = [];
  let x = 0, y = 0;
  for (const [name, at] of commands(d)) {
    if (name === "M") parts.push([]);
    if (name === "H") x = at[0]; else if (name === "V") y = at[0]; else if (at.length) [x, y] = at;
    if (at.length) parts[parts.length - 1].push([x, y]);
  }
  return parts;
}

function bend(d, fx, fy) { // moves every point
  return commands(d).map(([name, at]) => name + (name === "H" ? fx(at[0]) : name === "V" ? fy(at[0])
    : at.map((value, place) => (place % 2 ? fy : fx)(value)).join(" "))).join("");
}

class Axes {
  constructor(group, svg) {
    this.group = group;
    this.svg = svg;
    this.kind = group.dataset.kind;
    [this.left, this.top, this.width, this.height] = numbers(group.dataset.box);
    this.y = numbers(group.dataset.y);
    const flat = numbers(group.dataset.x);
    this.knots = flat.flatMap((_, place) => (place % 2 ? [] : [[flat[place], flat[place + 1]]]));
    this.view = [0, 1, 0, 1]; // of the whole width and height, what is shown
    this.lines = [...group.querySelectorAll("g[data-line] > path[clip-path]")].map((path) => [path.parentNode.dataset.line, points(path.getAttribute("d"))]);
    const mine = (node) => !node.closest("g.x, g.y") && !node.closest("defs");
    this.paths = [...group.querySelectorAll("path[clip-path]")].filter(mine).map((node) => [node, node.getAttribute("d")]);
    this.marks = [...group.querySelectorAll("use[x][y]")].filter(mine).map((node) => [node, +node.getAttribute("x"), +node.getAttribute("y")]);
    this.ticks = ["x", "y"].map((name) => [...group.querySelectorAll(`g.${name}`)]);
    this.fixed = [...this.ticks.flat(), ...group.querySelectorAll("g[data-mark]")]; // stand where they are right for the whole alone
  }

  inside(x, y) { return x >= this.left && x <= this.left + this.width && y >= this.top && y <= this.top + this.height; }

  between(from, to, value) { // along the knots; beyond the ends as between the two next to them
    let place = 0;
    while (place < this.knots.length - 2 && value > this.knots[place + 1][from]) place++;
    const [one, two] = [this.knots[place], this.knots[place + 1]];
    return one[to] + (value - one[from]) / (two[from] - one[from] || 1) * (two[to] - one[to]);
  }

  valueAt(share) {
    if (this.kind !== "log") return this.between(0, 1, share);
    const [low, high] = this.knots.map((knot) => Math.log10(knot[1]));
    return 10 ** (low + share * (high - low));
  }

  share(px) { const [a, b] = this.view; return a + (px - this.left) / this.width * (b - a); }
  level(py) { const [,, c, d] = this.view; return c + (this.top + this.height - py) / this.height * (d - c); }
  fx = (x) => { const [a, b] = this.view; return +(this.left + ((x - this.left) / this.width - a) / (b - a) * this.width).toFixed(2); };
  fy = (y) => { const [,, c, d] = this.view; return +(this.top + this.height - ((this.top + this.height - y) / this.height - c) / (d - c) * this.height).toFixed(2); };

  show(view) {
    this.view = view;
    for (const [node, d] of this.paths) node.setAttribute("d", bend(d, this.fx, this.fy));
    for (const [node, x, y] of this.marks) { node.setAttribute("x", this.fx(x)); node.setAttribute("y", this.fy(y)); }
    for (const node of this.group.querySelectorAll("g.new")) node.remove();
    const whole = view.join() === "0,1,0,1";
    for (const node of this.fixed) if (whole) node.removeAttribute("display"); else node.setAttribute("display", "none");
    if (whole) return;
    for (const [share, label] of this.xTicks()) this.tick(0, this.left + (share - view[0]) / (view[1] - view[0]) * this.width, label);
    const [low, high] = [view[2], view[3]].map((at) => this.y[0] + at * (this.y[1] - this.y[0]));
    for (const value of round(low, high, 6)) this.tick(1, this.top + (high - value) / (high - low) * this.height, written(value, high - low));
  }

  xTicks() {
    const [a, b] = this.view;
    if (this.kind !== "time") return round(this.valueAt(a), this.valueAt(b), 7).map((value) => [this.between(1, 0, value), written(value, this.valueAt(b) - this.valueAt(a))]);
    const ran = []; // every second part is a gap
    for (let place = 0; place < this.knots.length - 1; place += 2) {
      const [from, to] = [Math.max(a, place ? this.knots[place][0] : a), Math.min(b, place + 2 < this.knots.length ? this.knots[place + 1][0] : b)];
      if (to > from) ran.push([this.valueAt(from), this.valueAt(to)]);
    }
    const length = ran.reduce((sum, [from, to]) => sum + to - from, 0);
    const step = 1000 * (STEPS_S.find((seconds) => length / 1000 / seconds < 7) ?? STEPS_S.at(-1));
    const found = [];
    let day = "";
    for (const [from, to] of ran) {
      const first = Math.ceil(from / step) * step;
      for (let at = first <= to ? first : from; at <= to; at += step) {
        const share = this.between(1, 0, at);
        if (found.length && share - found.at(-1)[0] < 0.09 * (b - a)) continue;
        const text = new Date(at).toISOString(), clock = text.slice(11, step < 1000 ? 23 : step < 60000 || at % 60000 ? 19 : 16);
        found.push([share, text.slice(0, 10) === day ? clock : `${clock}\n${text.slice(0, 10)}`]);
        day = text.slice(0, 10);
      }
    }
    return found;
  }

  tick(side, at, label) { // like the first that was drawn
    const old = this.ticks[side][0];
    const grid = old?.querySelector("path[clip-path]"), text = old?.querySelector("text");
    if (!text) return;
    const made = within(this.group, "g");
    this.group.prepend(made);
    made.setAttribute("class", "new");
    if (grid) {
      const line = made.appendChild(grid.cloneNode());
      line.setAttribute("d", side ? `M${this.left} ${at}H${this.left + this.width}` : `M${at} ${this.top}V${this.top + this.height}`);
    }
    const words = made.appendChild(text.cloneNode());
    words.removeAttribute("transform");
    words.setAttribute("x", side ? this.left - 3.5 : at);
    words.setAttribute("y", side ? at + 3 : this.top + this.height + 10.5);
    words.style.textAnchor = side ? "end" : "middle";
    words.textContent = "";
    for (const [row, text] of label.split("\n").entries()) {
      const part = within(words, "tspan");
      part.setAttribute("x", words.getAttribute("x"));
      part.setAttribute("dy", row && 10.5);
      part.textContent = text;
    }
  }

  fit(a, b) { // the shares between which the lines lie there
    const seen = this.lines.flatMap(([, parts]) => parts.flatMap((part) => part.flatMap(([x, y], place) => {
      const share = (x - this.left) / this.width, next = part[place + 1], after = next ? (next[0] - this.left) / this.width : share;
      return after >= a && share <= b ? [(this.top + this.height - y) / this.height, ...(next ? [(this.top + this.height - next[1]) / this.height] : [])] : [];
    })));
    if (!seen.length) return [0, 1];
    const [low, high] = [Math.min(...seen), Math.max(...seen)], room = (high - low || 0.02) * 0.08;
    return [low - room, high + room];
  }

  words(px, py) {
    const share = this.share(px), x = this.valueAt(share), a = this.valueAt(this.view[0]), b = this.valueAt(this.view[1]);
    const words = [this.kind === "time" ? new Date(x).toISOString().replace("T", " ").slice(0, b - a < 60000 ? 23 : 19) + " UTC" : written(x, this.kind === "log" ? x : b - a)];
    const tall = (this.y[1] - this.y[0]) * (this.view[3] - this.view[2]);
    const value = (y) => this.y[0] + (this.top + this.height - y) / this.height * (this.y[1] - this.y[0]);
    const at = this.left + share * this.width;
    for (const [name, parts] of this.lines) {
      let found;
      for (const part of parts) for (let place = 1; place < part.length; place++) {
        const [[x0, y0], [x1, y1]] = [part[place - 1], part[place]];
        if (Math.min(x0, x1) <= at && at <= Math.max(x0, x1)) found = y0 + (x1 === x0 ? 1 : (at - x0) / (x1 - x0)) * (y1 - y0);
      }
      if (found !== undefined) words.push(`${written(value(found), tall)} ${name}`);
      else if (this.kind === "time") return [words[0], "nothing ran"];
    }
    if (!this.lines.length) words.push(written(this.y[0] + this.level(py) * (this.y[1] - this.y[0]), tall));
    return words;
  }
}

function written(value, range) { // with the digits that a figure of some 400 steps can show
  const places = Math.min(8, Math.max(0, Math.ceil(-Math.log10(Math.abs(range) / 400 || 1))));
  return value.toLocaleString("en", { minimumFractionDigits: places, maximumFractionDigits: places }).replace("-", "\u2212");
}

function round(low, high, most) {
  const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((times) => times * power >= rough));
  const found = [];
  for (let at = Math.ceil(low / step) * step; at <= high; at += step) found.push(Math.abs(at) < step / 1e6 ? 0 : at);
  return found;
}

for (const svg of document.querySelectorAll("figure svg")) {
  const all = [...svg.querySelectorAll("g.axes[data-box]")].map((group) => new Axes(group, svg));
  if (!all.length && !svg.querySelector("[data-says]")) continue;
  const frame = svg.closest(".wide");
  frame.classList.add("reads");
  const value = frame.appendChild(document.createElement("div"));
  value.className = "value";
  const button = frame.appendChild(document.createElement("button"));
  button.className = "whole";
  button.textContent = "whole";
  const line = within(svg, "path"), band = within(svg, "rect");
  line.setAttribute("class", "at");
  band.setAttribute("class", "band");
  let from = null;
  const at = (event) => { const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse()); return [point.x, point.y]; };
  const still = () => { value.hidden = true; line.removeAttribute("d"); band.setAttribute("width", 0); from = null; };
  const whole = () => { for (const axes of all) axes.show([0, 1, 0, 1]); button.hidden = true; still(); };
  button.addEventListener("click", whole);
  svg.addEventListener("dblclick", whole);
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") whole(); });
  svg.addEventListener("pointerleave", () => { if (!from) still(); });
  svg.addEventListener("pointercancel", still);
  svg.addEventListener("pointerdown", (event) => {
    const [x, y] = at(event), axes = all.find((each) => each.kind !== "log" && each.inside(x, y));
    if (!axes || event.button) return;
    from = [axes, x];
    svg.setPointerCapture(event.pointerId);
  });
  svg.addEventListener("pointermove", (event) => {
    const [x, y] = at(event);
    if (from) {
      const [axes, begin] = from, end = Math.min(Math.max(x, axes.left), axes.left + axes.width);
      for (const [name, number] of [["x", Math.min(begin, end)], ["y", axes.top], ["width", Math.abs(end - begin)], ["height", axes.height]]) band.setAttribute(name, number);
      return;
    }
    const said = event.target.closest?.("[data-says]"), axes = all.find((each) => each.inside(x, y));
    if (!said && !axes) return still();
    value.textContent = said ? said.dataset.says : axes.words(x, y).join("\n");
    if (axes) line.setAttribute("d", `M${x} ${axes.top}V${axes.top + axes.height}`); else line.removeAttribute("d");
    value.hidden = false;
    const box = frame.getBoundingClientRect(), left = event.clientX - box.left, room = frame.clientWidth - value.offsetWidth - 4;
    value.style.left = `${frame.scrollLeft + Math.max(0, left + 14 > room ? Math.min(left - 14 - value.offsetWidth, room) : left + 14)}px`;
    value.style.top = `${Math.max(0, event.clientY - box.top - value.offsetHeight - 8)}px`;
  });
  svg.addEventListener("pointerup", (event) => {
    if (!from) return;
    const [axes, begin] = from, [x] = at(event), end = Math.min(Math.max(x, axes.left), axes.left + axes.width);
    still();
    if (Math.abs(end - begin) < 6) return;
    const [a, b] = [Math.min(begin, end), Math.max(begin, end)].map((px) => axes.share(px));
    // Axes of time in one figure show one time.
    for (const each of axes.kind === "time" ? all.filter((other) => other.kind === "time") : [axes]) each.show([a, b, ...(each.lines.length ? each.fit(a, b) : [0, 1])]);
    button.hidden = false;
  });
  button.hidden = value.hidden = true;
}
