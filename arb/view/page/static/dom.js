// Elements and figures. Text of others (names of coins, texts of venues) only ever goes in by textContent.

export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined).map((child) =>
    child instanceof Node ? child : document.createTextNode(String(child))));
  return made;
}

let known = {};
export const learn = (meanings) => { known = meanings || {}; };

const SHOWN_MS = 8000;

// A code with its meaning: where it is pointed at, and below the page for a while where it is focused or touched.
export function code(sort, word, words = word) {
  const means = known[sort]?.[word];
  if (!means) return el("span", { class: "code" }, words ?? "-");
  const show = ({ target }) => {
    document.getElementById("meaning").replaceChildren(el("b", {}, `${word}: `), means);
    setTimeout(() => target.blur(), SHOWN_MS);
  };
  return el("button", { type: "button", class: "code", title: means, onfocus: show, onblur: () => document.getElementById("meaning").replaceChildren() }, words);
}

export const card = (title, ...children) => el("section", { class: "card" }, el("h2", {}, title), ...children);
export const empty = (text) => el("p", { class: "empty" }, text);

export function utc(ns) {
  if (ns === null || ns === undefined || ns === "") return "-";
  return new Date(Number(BigInt(ns) / 1000000n)).toISOString().replace("T", " ").replace("Z", "");
}

export const clock = () => new Date().toISOString().slice(11, 19);

export function money(text, places = 4) {
  if (text === null || text === undefined) return "-";
  const value = Number(text), figure = grouped(Math.abs(value).toFixed(places));
  return `${value < 0 && /[1-9]/.test(figure) ? "−" : ""}${figure}`;
}

// Thousands apart: 2434744.43 is 2,434,744.43.
export const grouped = (figure) => { const [whole, rest] = figure.split("."); return whole.replace(/\B(?=(\d{3})+$)/g, ",") + (rest === undefined ? "" : `.${rest}`); };

// An amount for the eye: two decimals, or of a small one its first two digits.
export const amount = (text) => { const value = Math.abs(Number(text)); return text === null || text === undefined ? "-" : money(text, value >= 1 || value === 0 ? 2 : Math.min(12, Math.max(2, 1 - Math.floor(Math.log10(value))))); };

export const size = (text) => (text === null || text === undefined ? "-" : grouped(String(text).replace(/(\.[0-9]*?)0+$/, "$1").replace(/\.$/, "").replace("-", "−")));
export const shown = (value) => (value === null || value === undefined || value === "" ? "-" : String(value));
export const signOf = (text) => (Number(text) < 0 ? "bad" : Number(text) > 0 ? "good" : "");

const FIRST = 100, MORE = 500;

// A table of any length: its first rows at once, the others as one comes near the end. Columns: {name, of, number, word, sort}.
export function table(columns, rows, { caption } = {}) {
  const body = el("tbody");
  let order = rows, drawn = 0;
  const draw = (count) => {
    const part = document.createDocumentFragment();
    for (const row of order.slice(drawn, drawn + count)) part.append(line(columns, row));
    drawn = Math.min(order.length, drawn + count);
    body.append(part);
  };
  const sortBy = (column, button) => {
    const down = button.getAttribute("aria-sort") !== "descending";
    for (const other of head.querySelectorAll("th")) other.removeAttribute("aria-sort");
    button.setAttribute("aria-sort", down ? "descending" : "ascending");
    order = [...rows].sort((a, b) => (down ? -1 : 1) * compare(column.sort(a), column.sort(b)));
    body.replaceChildren();
    drawn = 0;
    draw(FIRST);
  };
  const head = el("tr", {}, columns.map((column) => {
    const cell = el("th", { scope: "col", class: column.number ? "number" : null });
    cell.append(column.sort ? el("button", { type: "button", onclick: () => sortBy(column, cell) }, column.name) : column.name);
    return cell;
  }));
  draw(FIRST);
  const made = el("table", { "aria-rowcount": rows.length + 1 }, caption ? el("caption", {}, caption) : null, el("thead", {}, head), body);
  const end = el("div", { class: "end" });
  if (rows.length > FIRST) {
    const observer = new IntersectionObserver((seen) => {
      if (!seen.some((one) => one.isIntersecting) || drawn >= order.length) return;
      draw(Math.max(MORE, drawn));  // twice as many: each time the browser lays all rows out anew
      observer.unobserve(end);  // looked at anew: it may be in sight again before it was ever out of it
      observer.observe(end);
    }, { rootMargin: "1500px" });
    observer.observe(end);
  }
  return el("div", { class: "scroll", tabindex: rows.length ? "0" : null, role: "region", "aria-label": caption || "table" }, made, end);
}

function line(columns, row) {
  return el("tr", {}, columns.map((column) => {
    const value = column.of(row), long = typeof value === "string" && value.length > 40;
    return el("td", { class: [column.number ? "number" : column.word ? "word" : "", column.mark ? column.mark(row) : "", long ? "long" : ""].join(" ").trim() || null, dir: column.number ? null : "auto" }, value);
  }));
}

function compare(a, b) {
  if (a === b) return 0;
  if (a === null || a === undefined) return -1;
  if (b === null || b === undefined) return 1;
  return a < b ? -1 : 1;
}

export const pairs = (values) => el("dl", {}, Object.entries(values).flatMap(([name, value]) =>
  [el("dt", {}, name.replaceAll("_", " ")), el("dd", {}, value instanceof Node ? value : shown(value))]));
