// The keyboard: Tab goes through nodes, arrows along calls and columns, Enter selects, Escape clears, e takes the edges of
// a node one by one, f shows what is near, + and - zoom, 0 fits, / searches.

const TAB_STOPS = 40; // in larger maps Tab enters and leaves the map, and arrows move in it

class Keyboard {
  /** `act`: select(item, more), clear(), focus(node), plus what the controls do. */
  constructor(canvas, act, signal) {
    Object.assign(this, { canvas, act, edge: -1 });
    canvas.addEventListener("keydown", (event) => this.press(event), { signal });
  }

  show(scene) {
    this.scene = scene;
    const shown = scene.nodes.map((_, index) => index).filter((index) => scene.shown(index));
    const every = shown.length <= TAB_STOPS;
    const first = shown.reduce((best, index) => (before(scene.places[index], scene.places[best]) ? index : best), shown[0]);
    scene.nodes.forEach((group, index) => group.setAttribute("tabindex", every || index === first ? 0 : -1));
    this.every = every;
  }

  press(event) {
    if (!this.scene || event.altKey || event.ctrlKey || event.metaKey) return;
    const node = event.target.closest?.("[data-node]")?.dataset.node;
    if (this.answer(event, node === undefined ? -1 : Number(node))) {
      event.preventDefault();
      event.stopPropagation(); // a notebook has its own meaning for most of these keys
    }
  }

  answer(event, node) {
    const { act, scene } = this;
    const plain = {
      Escape: () => act.clear(),
      "+": () => act.zoom(ZOOM.step),
      "=": () => act.zoom(ZOOM.step), // the same key without Shift
      "-": () => act.zoom(1 / ZOOM.step),
      0: () => act.fit(),
      "/": () => act.startSearch(),
    };
    if (plain[event.key]) { plain[event.key](); return true; }
    if (node < 0) return false;
    const more = event.shiftKey;
    const onNode = {
      Enter: () => act.select(scene.picture.nodes[node].id, more),
      " ": () => act.select(scene.picture.nodes[node].id, more),
      f: () => act.focus(node),
      e: () => this.nextEdge(node, more),
      ArrowRight: () => this.along(node, 0, 1),
      ArrowLeft: () => this.along(node, 1, 0),
      ArrowUp: () => this.vertical(node, -1),
      ArrowDown: () => this.vertical(node, 1),
    };
    if (!onNode[event.key]) return false;
    onNode[event.key]();
    return true;
  }

  go(node) {
    if (node === undefined) return;
    if (!this.every) for (const [index, group] of this.scene.nodes.entries()) group.setAttribute("tabindex", index === node ? 0 : -1);
    this.scene.nodes[node].focus({ preventScroll: true });
  }

  /** To the callee, or caller, with the most calls. */
  along(node, here, there) {
    const { picture, touching } = this.scene;
    const leads = ({ ends }) => ends[here] === node && ends[there] !== node && this.scene.shown(ends[there]);
    const edges = touching[node].map((edge) => picture.edges[edge]).filter(leads);
    edges.sort((a, b) => (b.figures.calls ?? 0) - (a.figures.calls ?? 0));
    this.go(edges[0]?.ends[there]);
  }

  /** To the next node above or below, in the same column first. */
  vertical(node, sign) {
    const { places } = this.scene;
    const [x, y] = places[node];
    const far = (place) => Math.abs(place[1] - y) + 4 * Math.abs(place[0] - x);
    const others = places.map((place, index) => ({ place, index })).filter(({ place }) => place && sign * (place[1] - y) > 1);
    others.sort((a, b) => far(a.place) - far(b.place));
    this.go(others[0]?.index);
  }

  nextEdge(node, more) {
    const edges = this.scene.touching[node].filter((edge) => this.scene.picture.edges[edge].ends.every((end) => this.scene.shown(end)));
    if (!edges.length) return;
    const [first = edges.at(-1)] = edges.filter((edge) => edge === this.edge);
    this.edge = edges[(edges.indexOf(first) + 1) % edges.length];
    this.act.select(this.scene.edgeItem(this.scene.picture.edges[this.edge]), more);
  }
}

/** Reading order: further left, then further up. */
function before(a, b) {
  return a[0] < b[0] - 1 || (Math.abs(a[0] - b[0]) <= 1 && a[1] < b[1]);
}
