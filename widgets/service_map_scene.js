// The drawn map: one group per node and edge, made once per picture; focus moves and hides them, emphasis sets classes.

/** An item of the trait `selected` as a key: a node's id, or the four columns that name an edge. */
const keyOf = (item) => JSON.stringify(item);

const FEW = 12; // so many edges may show their labels when pointed at, wherever these lie
const CROWD = 150; // with more edges, quiet ones fade and show their labels later

class Scene {
  constructor(picture, ruler) {
    this.picture = picture;
    this.ruler = ruler;
    this.byId = new Map(picture.nodes.map((node, index) => [node.id, index]));
    this.touching = picture.nodes.map(() => []); // node number -> numbers of its edges
    picture.edges.forEach(({ ends }, index) => { for (const end of new Set(ends)) this.touching[end].push(index); });
    this.nodes = picture.nodes.map((node, index) => this.drawNode(node, index));
    this.edges = picture.edges.map((edge, index) => this.drawEdge(edge, index));
    this.labels = picture.edges.map((edge) => this.drawLabel(edge));
    this.edgeLayer = svg("g", {});
    this.world = svg("g", { class: "wb-world" },
      this.edgeLayer, svg("g", {}, ...this.nodes), svg("g", { class: "wb-labels" }, ...this.labels));
    this.items = [...picture.nodes.map((node) => node.id), ...picture.edges.map((edge) => this.edgeItem(edge))];
    this.keys = this.items.map(keyOf);
    this.arrange(null);
  }

  edgeItem({ ends, protocol, asynchronous }) {
    return [this.picture.nodes[ends[0]].id, this.picture.nodes[ends[1]].id, protocol, asynchronous];
  }

  drawNode(node, index) {
    const shape = this.picture.shapes[node.kind];
    const lower = node.kind === "database" ? 3 : 0; // below the lid
    const spoken = [node.name, kindOf(node), ...figureList(node).map((pair) => pair.join(" "))].join(", ");
    const attributes = { role: "button", "data-node": index, "aria-label": spoken, "aria-pressed": "false" };
    return svg("g", { class: `wb-node wb-e${node.errors} wb-l${node.latency}`, ...attributes },
      svg("path", { class: "wb-ring", d: shape.outline }), svg("path", { class: "wb-box", d: shape.outline }),
      shape.inside ? svg("path", { class: "wb-inside", d: shape.inside }) : null,
      shape.icon ? svg("path", { class: "wb-icon", d: shape.icon, transform: `translate(11 ${10 + lower})` }) : null,
      ...this.nodeTexts(node, lower));
  }

  /** What a box says near, in the middle and far away; style sheets show one of the three. */
  nodeTexts(node, lower) {
    const [width, height] = this.picture.box;
    const x = width / 2;
    const name = this.ruler.fit(node.name, 14, width - 34 - (node.kind === "queue" ? 24 : 12), 600);
    const words = node.short.length ? node.short.join(" · ") : "not called";
    const enough = this.ruler.width(`▲ ${words}`, 15.5, 600) < width - 12; // else without p95
    const lines = this.ruler.lines(node.name, 22, width - 16, 600);
    const middle = height / 2 + lower / 2 + 8;
    return [
      svg("text", { class: "wb-name", x: 34, y: 23 + lower }, name),
      svg("text", { class: "wb-figures", x: 11, y: 42 + lower / 2 }, ...this.figures(node, 3)),
      svg("text", { class: "wb-middle-name", x, y: 25 + 1.4 * lower }, this.ruler.fit(node.name, 19, width - 16, 600)),
      svg("text", { class: "wb-middle-figures", x, y: 45 + lower }, ...this.figures(node, enough ? 3 : 2)),
      ...lines.map((line, row) => svg("text", { class: "wb-overview", x, y: middle + (row - (lines.length - 1) / 2) * 22 }, line)),
    ];
  }

  /** Calls, errors and p95; a share of errors that is more than a trifle stands out. */
  figures({ short, errors }, count) {
    if (!short.length) return ["not called"];
    const loud = errors > 1;
    const share = svg("tspan", { class: loud ? "wb-loud" : null }, loud ? `▲ ${short[1]}` : short[1]);
    return [`${short[0]} · `, share, count > 2 ? ` · ${short[2]}` : null];
  }

  drawEdge(edge, index) {
    const classes = `wb-edge wb-e${edge.errors} wb-l${edge.latency}${edge.asynchronous ? " wb-asynchronous" : ""}`;
    return svg("g", { class: classes, "data-edge": index },
      svg("path", { class: "wb-hit" }), svg("path", { class: "wb-line", "stroke-width": edge.width }), svg("path", { class: "wb-head" }));
  }

  drawLabel(edge) {
    const text = edgeLabel(edge), loud = edge.errors > 1;
    const width = text ? this.ruler.width(text, 11.5, loud ? 600 : 400) + 6 : 0;
    return svg("g", { class: `wb-label wb-e${edge.errors} wb-l${edge.latency}${loud ? " wb-loud" : ""}` },
      svg("rect", { x: -width / 2, y: -7, width, height: 14, rx: 3 }), svg("text", { y: 4 }, text),
      loud ? svg("text", { class: "wb-mark", y: 6 }, `▲ ${edge.short[1]}`) : null);
  }

  /** Put everything where the whole map has it, or where `focus` ({nodes, edges, width, height}) wants it. */
  arrange(focus) {
    const { picture } = this;
    this.edgesShown = focus ? focus.edges.size : picture.edges.length;
    this.size = focus ? [focus.width, focus.height] : [picture.width, picture.height];
    this.places = picture.nodes.map((node, index) => (focus ? focus.nodes.get(index) : [node.x, node.y]));
    this.nodes.forEach((group, index) => {
      const place = this.places[index];
      group.style.display = place ? "" : "none";
      if (place) group.setAttribute("transform", `translate(${place[0]} ${place[1]})`);
    });
    picture.edges.forEach((edge, index) => {
      const there = !focus || focus.edges.has(index);
      const route = focus?.edges.get(index) ?? edge;
      const group = this.edges[index], label = this.labels[index];
      group.style.display = label.style.display = there ? "" : "none";
      if (!there) return;
      const own = picture.nodes[edge.ends[0]], place = this.places[edge.ends[0]];
      const shift = focus && route === edge ? [place[0] - own.x, place[1] - own.y] : [0, 0];
      group.setAttribute("transform", `translate(${shift[0]} ${shift[1]})`);
      for (const part of group.children) part.setAttribute("d", part.classList.contains("wb-head") ? route.head : route.line);
      const at = (focus ? route.label : edge.label) ?? route.middle;
      label.setAttribute("transform", `translate(${at[0] + shift[0]} ${at[1] + shift[1]})`);
      label.classList.toggle("wb-crowded", !(focus ? route.label : edge.label));
    });
  }

  /** Loud edges lie above quiet ones. */
  stack(name) {
    const level = (index) => this.picture.edges[index][name];
    const order = this.edges.map((_, index) => index).sort((a, b) => level(a) - level(b) || a - b);
    this.edgeLayer.append(...order.map((index) => this.edges[index]));
  }

  /** Whether the map that is shown has many edges. */
  crowded() {
    return this.edgesShown > CROWD;
  }

  shown(node) {
    return this.places[node] !== undefined;
  }

  neighbours(node) {
    return this.touching[node].map((edge) => this.picture.edges[edge].ends.find((end) => end !== node) ?? node);
  }

  /** Nodes whose name, id, kind, system or protocols contain the text; edges come with their protocol. */
  find(text) {
    const wanted = text.trim().toLowerCase();
    if (!wanted) return null;
    const has = (...words) => words.some((word) => word && String(word).toLowerCase().includes(wanted));
    const numbers = (rows, fits) => new Set(rows.flatMap((row, index) => (fits(row, index) ? [index] : [])));
    return {
      nodes: numbers(this.picture.nodes, (node, index) => this.shown(index) && has(node.name, node.id, kindOf(node))),
      edges: numbers(this.picture.edges, (edge) => edge.ends.every((end) => this.shown(end)) && has(edge.protocol)),
    };
  }

  /** The rest steps back. null: nothing does. */
  emphasise(root, kept) {
    root.classList.toggle("wb-dimmed", kept !== null);
    this.nodes.forEach((group, index) => group.classList.toggle("wb-kept", kept?.nodes.has(index) ?? false));
    this.edges.forEach((group, index) => {
      const is = kept?.edges.has(index) ?? false;
      group.classList.toggle("wb-kept", is);
      this.labels[index].classList.toggle("wb-kept", is && kept.edges.size <= FEW);
    });
  }

  /** A node with its edges and their other ends, an edge with its two ends. */
  around(nodes, edges) {
    const kept = { nodes: new Set(nodes), edges: new Set(edges) };
    for (const node of nodes) {
      for (const edge of this.touching[node]) kept.edges.add(edge);
      for (const other of this.neighbours(node)) kept.nodes.add(other);
    }
    for (const edge of edges) for (const end of this.picture.edges[edge].ends) kept.nodes.add(end);
    return kept;
  }

  /** Nodes and edges with the nodes at the edges' ends. */
  withEnds({ nodes, edges }) {
    return { nodes: new Set([...nodes, ...this.around([], edges).nodes]), edges };
  }

  /** Which nodes and edges the trait names. */
  resolve(selected) {
    const wanted = new Set(selected.map(keyOf));
    const found = { nodes: [], edges: [] };
    this.keys.forEach((key, index) => {
      if (!wanted.has(key)) return;
      if (index < this.nodes.length) found.nodes.push(index);
      else found.edges.push(index - this.nodes.length);
    });
    return found;
  }

  mark(name, { nodes, edges }) {
    const inNodes = new Set(nodes), inEdges = new Set(edges);
    this.nodes.forEach((group, index) => {
      group.classList.toggle(name, inNodes.has(index));
      if (name === "wb-selected") group.setAttribute("aria-pressed", inNodes.has(index));
    });
    this.edges.forEach((group, index) => group.classList.toggle(name, inEdges.has(index)));
  }
}
