// All figures of what is pointed at.

class Tooltip {
  constructor(root) {
    this.root = root;
    this.element = html("div", { class: "wb-tooltip", role: "tooltip", hidden: true });
    root.append(this.element);
  }

  node(scene, index) {
    const node = scene.picture.nodes[index];
    const edges = scene.touching[index].map((edge) => scene.picture.edges[edge].ends);
    const callers = new Set(edges.filter((ends) => ends[1] === index).map((ends) => ends[0]));
    const callees = new Set(edges.filter((ends) => ends[0] === index).map((ends) => ends[1]));
    const degree = [[callers.size, "caller"], [callees.size, "callee"]].filter(([size]) => size);
    const note = node.id.endsWith(node.name) && node.id.length - node.name.length < 12 ? null : node.id;
    const around = degree.map(([size, word]) => `${size} ${word}${size > 1 ? "s" : ""}`).join(" · ");
    this.fill(node.name, kindOf(node), figureList(node), around, note);
  }

  edge(scene, index) {
    const edge = scene.picture.edges[index];
    const [source, target] = edge.ends.map((end) => scene.picture.nodes[end].name);
    const words = [edge.protocol === "unknown" ? "unknown protocol" : edge.protocol, edge.asynchronous ? "asynchronous" : null];
    this.fill(`${source} → ${target}`, words.filter(Boolean).join(" · "), figureList(edge), "", null);
  }

  fill(title, kind, figures, degree, note) {
    const latencies = figures.filter(([name]) => /^p\d\d$/.test(name)), counts = figures.filter(([name]) => !/^p\d\d$/.test(name));
    const cells = ([name, value] = ["", ""]) => [html("dt", {}, name), html("dd", {}, value)];
    const length = Math.max(latencies.length, counts.length);
    const rows = Array.from({ length }, (_, row) => [...cells(counts[row]), ...cells(latencies[row])]).flat();
    this.element.replaceChildren(
      html("strong", {}, title), html("div", { class: "wb-kind" }, kind), html("dl", {}, ...rows),
      ...[degree, note].filter(Boolean).map((text) => html("div", { class: "wb-more" }, text)));
    this.element.hidden = false;
  }

  /** Below, above or beside the rectangle (left, top, right, bottom; px in the widget), so that it stays in sight. */
  place([left, top, right, bottom]) {
    const { offsetWidth: width, offsetHeight: height } = this.element;
    const { clientWidth, clientHeight } = this.root;
    const within = (value, size, room) => Math.max(4, Math.min(room - size - 4, value));
    let x = within(left, width, clientWidth), y = bottom + 10;
    if (y + height > clientHeight - 4) {
      y = top - height - 10;
      if (y < 4) {
        y = within(top, height, clientHeight);
        x = right + 10 + width <= clientWidth ? right + 10 : Math.max(4, left - width - 10);
      }
    }
    this.element.style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
  }

  hide() {
    this.element.hidden = true;
  }
}
