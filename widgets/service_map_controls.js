// The bar above the map and the legend below it. Controls are real buttons, inputs and lists.

const CHOICES = [["errors", "Errors", "share of errors"], ["latency", "Latency", "95th percentile of latency"]];
const AMOUNTS = [[0, "Whole map"], [1, "1 call away"], [2, "2 calls away"], [3, "3 calls away"]];

class Controls {
  /** `act`: what the controls do: search(text), next(), colour(name), amount(hops), zoom(factor), fit(). */
  constructor(root, act, signal) {
    const on = (element, event, call) => { element.addEventListener(event, call, { signal }); return element; };
    const button = (label, title, call) => on(html("button", { type: "button", title, "aria-label": title }, label), "click", call);
    const field = { type: "search", placeholder: "Search", "aria-label": "Search the service map", autocomplete: "off", spellcheck: "false" };
    this.search = on(html("input", field), "input", () => act.search(this.search.value));
    on(this.search, "keydown", (event) => {
      if (event.key === "Enter") act.next(event.shiftKey ? -1 : 1);
      if (event.key === "Escape") { this.search.value = ""; act.search(""); }
    });
    this.count = html("span", { class: "wb-count", role: "status" });
    this.amount = on(html("select", { "aria-label": "How much of the map is shown", title: "Select a node to see only what is near it" },
      ...AMOUNTS.map(([value, label]) => html("option", { value }, label))), "change", () => act.amount(Number(this.amount.value)));
    this.colours = CHOICES.map(([name, label, title]) => button(label, `Colour by ${title}`, () => act.colour(name)));
    this.bar = html("div", { class: "wb-bar", role: "toolbar", "aria-label": "Service map" },
      html("span", { class: "wb-group" }, this.search, this.count), html("span", { class: "wb-space" }), this.amount,
      html("span", { class: "wb-group wb-joined", role: "group", "aria-label": "Colour" }, ...this.colours),
      html("span", { class: "wb-group wb-joined", role: "group", "aria-label": "Zoom" },
        button("−", "Zoom out", () => act.zoom(1 / ZOOM.step)),
        button("+", "Zoom in", () => act.zoom(ZOOM.step)),
        button("Fit", "Show everything", () => act.fit())));
    this.legend = html("div", { class: "wb-legend" });
    this.details = html("div", { class: "wb-details", role: "status" });
  }

  showSearch(text, found, total) {
    if (this.search.value !== text) this.search.value = text;
    if (!found) { this.count.textContent = ""; return; }
    const nodes = found.nodes.size, edges = found.edges.size;
    this.count.textContent = nodes || !edges ? `${nodes} of ${total}` : `${edges} ${edges === 1 ? "edge" : "edges"}`;
  }

  showColour(name) {
    CHOICES.forEach(([choice], index) => this.colours[index].setAttribute("aria-pressed", choice === name));
  }

  showAmount(hops, possible) {
    const offered = [...this.amount.options].some((option) => option.value === String(hops));
    if (!offered) this.amount.append(html("option", { value: hops }, `${hops} calls away`)); // set in Python
    this.amount.value = String(hops);
    this.amount.disabled = !possible;
  }

  showLegend(picture, colourBy) {
    const { legend, shapes, edges } = picture;
    const part = (title, ...entries) => html("span", { class: "wb-part" }, html("span", { class: "wb-title" }, title), ...entries);
    const entry = (sign, label) => html("span", { class: "wb-entry" }, sign, label);
    const swatch = (level, label) => entry(html("i", { class: `wb-swatch wb-${colourBy === "errors" ? "e" : "l"}${level}` }), label);
    const marks = legend[colourBy].map((label, level) => swatch(level, label));
    if (colourBy === "latency" && [...picture.nodes, ...edges].some((row) => row.latency < 0)) marks.push(swatch(-1, "not known"));
    const line = (width, dashed) => svg("svg", { width: 24, height: 10, "aria-hidden": "true" },
      svg("path", { d: "M0 5H24", class: `wb-sample${dashed ? " wb-asynchronous" : ""}`, "stroke-width": width }));
    const widths = legend.widths.map(([label, width]) => entry(line(width, false), label));
    const kinds = Object.keys(shapes).map((kind) => entry( // the icons of the boxes; unknown kinds have a plain box
      svg("svg", { width: 15, height: 15, viewBox: "0 0 16 16", "aria-hidden": "true" },
        svg("path", { d: shapes[kind].icon || "M1.5 3.5H14.5V12.5H1.5Z", class: "wb-small" })), KIND_WORDS[kind] ?? kind));
    this.legend.replaceChildren(
      part(colourBy === "errors" ? "Errors" : "p95 latency", ...marks),
      ...(widths.length ? [part("Calls", ...widths)] : []),
      ...(edges.some((edge) => edge.asynchronous) ? [part("", entry(line(2, true), "asynchronous"))] : []),
      part("", ...kinds),
      part("Boxes", html("span", { class: "wb-entry" }, `${legend.rate ? "calls per second" : "calls"} · errors · p95`)));
  }

  showDetails(scene, { nodes, edges }) {
    const { picture } = scene;
    const called = ({ ends, protocol }) => `${ends.map((end) => picture.nodes[end].name).join(" → ")} (${protocol})`;
    const parts = [
      ...nodes.map((node) => [picture.nodes[node].name, picture.nodes[node]]),
      ...edges.map((edge) => [called(picture.edges[edge]), picture.edges[edge]]),
    ];
    this.details.replaceChildren(...parts.slice(0, 3).map(([name, row]) => html("div", {},
      html("strong", {}, name), ` ${figureList(row).map((pair) => pair.join(" ")).join(" · ")}`)));
    if (parts.length > 3) this.details.append(html("div", {}, `and ${parts.length - 3} more`));
  }
}
