// Elements, texts that fit, and short words: what all parts of the service map use. Names come from telemetry, that is
// from strangers: they go through textContent and setAttribute only.

const SVG = "http://www.w3.org/2000/svg";

function create(namespace, tag, attributes, children) {
  const element = namespace ? document.createElementNS(namespace, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

const svg = (tag, attributes, ...children) => create(SVG, tag, attributes, children);
const html = (tag, attributes, ...children) => create(null, tag, attributes, children);

/** Measures text in the page's own font; `fit` shortens in the middle, because names differ at both ends. */
class Ruler {
  constructor(family) {
    this.family = family;
    this.context = document.createElement("canvas").getContext("2d");
  }

  width(text, size, weight = 400) {
    this.context.font = `${weight} ${size}px ${this.family}`;
    return this.context.measureText(text).width;
  }

  fit(text, size, room, weight = 400) {
    if (this.width(text, size, weight) <= room) return text;
    const letters = [...text];
    const cut = (kept) => {
      const tail = Math.floor(kept * 0.4);
      return `${letters.slice(0, kept - tail).join("")}…${letters.slice(letters.length - tail).join("")}`;
    };
    let low = 0, high = letters.length;
    while (low < high) {
      const kept = Math.ceil((low + high) / 2);
      if (this.width(cut(kept), size, weight) <= room) low = kept;
      else high = kept - 1;
    }
    return cut(low);
  }

  /** One or two lines: broken behind the separator that leaves the halves most alike. */
  lines(text, size, room, weight = 400) {
    if (this.width(text, size, weight) <= room) return [text];
    const places = [...text.matchAll(/[-_.:/@ ]/g)].map((match) => match.index + 1).filter((place) => place < text.length);
    const uneven = (place) => Math.abs(text.length / 2 - place);
    const best = places.sort((a, b) => uneven(a) - uneven(b))[0];
    if (best === undefined) return [this.fit(text, size, room, weight)];
    return [text.slice(0, best), text.slice(best)].map((line) => this.fit(line, size, room, weight));
  }
}

const KIND_WORDS = { service: "service", database: "database", queue: "queue", external: "outside" };

/** A kind as a word, with the product behind it: "database · postgresql". */
function kindOf(node) {
  const word = KIND_WORDS[node.kind] ?? node.kind;
  return node.system ? `${word} · ${node.system}` : word;
}

const number = (value, digits = 0) => value.toLocaleString("en", { maximumFractionDigits: digits });

function milliseconds(value) {
  if (value >= 1000) return `${number(value / 1000, 2)} s`;
  return `${number(value, value < 10 ? 2 : value < 100 ? 1 : 0)} ms`;
}

function percent(ratio) {
  const value = 100 * ratio;
  return `${number(value, value < 0.01 ? 4 : value < 10 ? 2 : 1)}%`;
}

/** All figures of a node or an edge as [name, value] for people. */
function figureList({ figures: f }) {
  const list = [];
  const add = (name, value, words) => { if (value !== undefined) list.push([name, words(value)]); };
  add("calls", f.calls, number);
  add("per second", f.per_second, (value) => number(value, value < 10 ? 2 : 0));
  add("errors", f.errors, (value) => (f.error_ratio === undefined ? number(value) : `${number(value)} (${percent(f.error_ratio)})`));
  if (f.errors === undefined) add("errors", f.error_ratio, percent);
  add("p50", f.p50_ms, milliseconds);
  add("p95", f.p95_ms, milliseconds);
  add("p99", f.p99_ms, milliseconds);
  if (f.root_calls) add("traces begin here", f.root_calls, number);
  if (f.orphan_calls) add("caller not recorded", f.orphan_calls, number);
  if (f.unanswered_calls) add("not answered", f.unanswered_calls, number);
  return list;
}

/** What stands at an edge: protocol, and the share of errors once it is more than a trifle. */
function edgeLabel(edge) {
  const protocol = edge.protocol === "unknown" ? "" : edge.protocol;
  return [protocol, edge.errors > 1 ? `▲ ${edge.short[1]}` : ""].filter(Boolean).join(" ");
}
