// The service map as an anywidget module: one view of a model. The state that views share (selected, search, colour_by,
// focus, hops) lives in the model; what only one view has (zoom, hover) lives in the view.

function render({ model, el }) {
  const end = new AbortController();
  const { signal } = end;
  const root = html("div", { class: "wb-service-map", "data-lm-suppress-shortcuts": "true" });
  const canvas = svg("svg", { class: "wb-canvas", role: "group", "aria-label": "Service map: nodes are buttons, arrow keys follow calls" });
  const viewport = html("div", { class: "wb-viewport" }, canvas);
  const stage = html("div", { class: "wb-stage" }, viewport);
  let scene = null, hovered = null, size = [0, 0];

  const set = (changes) => {
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    model.save_changes();
  };
  const act = {
    search: (text) => set({ search: text }),
    next: (step) => nextMatch(step),
    colour: (name) => set({ colour_by: name }),
    zoom: (factor) => camera.zoom(factor),
    fit: () => camera.fit(),
    startSearch: () => controls.search.focus(),
    amount(hops) {
      const node = model.get("focus") ?? model.get("selected").find((item) => typeof item === "string") ?? null;
      set(hops ? { hops, focus: node } : { focus: null });
    },
    focus(node) {
      const { id } = scene.picture.nodes[node];
      set({ focus: model.get("focus") === id ? null : id, selected: [id] });
    },
    select(item, more) {
      const before = model.get("selected");
      const has = before.some((other) => keyOf(other) === keyOf(item));
      const others = before.filter((other) => keyOf(other) !== keyOf(item));
      if (more) set({ selected: has ? others : [...before, item] });
      else set({ selected: has && !others.length ? [] : [item] });
    },
    clear() { // one step back: selection, search, focus
      if (model.get("selected").length) set({ selected: [] });
      else if (model.get("search")) set({ search: "" });
      else if (model.get("focus") !== null) set({ focus: null });
    },
  };
  const controls = new Controls(root, act, signal);
  const camera = new Camera(stage, viewport, canvas, signal);
  const tooltip = new Tooltip(root);
  const keyboard = new Keyboard(canvas, act, signal);
  camera.changed = () => tooltip.hide();
  root.prepend(controls.bar, stage, controls.details, controls.legend);
  el.append(root);

  function drawAll() {
    const picture = model.get("_picture");
    const empty = !picture.nodes?.length;
    root.classList.toggle("wb-empty", empty);
    stage.querySelector(".wb-nothing")?.remove();
    canvas.replaceChildren();
    scene = camera.scene = keyboard.scene = null;
    if (empty) {
      stage.append(html("p", { class: "wb-nothing" }, "No calls in this window."));
      stage.style.height = "";
      return;
    }
    scene = new Scene(picture, new Ruler(getComputedStyle(root).fontFamily || "sans-serif"));
    canvas.append(scene.world);
    drawFocus();
    drawColour();
    drawSelected();
  }

  function drawFocus() {
    if (!scene) return;
    const start = scene.byId.get(model.get("focus"));
    scene.arrange(start === undefined ? null : neighbourhood(scene.picture, start, model.get("hops")));
    canvas.classList.toggle("wb-crowd", scene.crowded());
    scene.mark("wb-centre", { nodes: start === undefined ? [] : [start], edges: [] });
    hovered = null;
    keyboard.show(scene);
    setHeight();
    camera.show(scene);
    drawSearch();
    drawAmount();
  }

  function drawAmount() {
    const focused = model.get("focus") !== null;
    controls.showAmount(focused ? model.get("hops") : 0, focused || model.get("selected").some((item) => typeof item === "string"));
  }

  function drawColour() {
    if (!scene) return;
    const name = model.get("colour_by");
    root.classList.toggle("wb-by-latency", name === "latency");
    scene.stack(name);
    controls.showColour(name);
    controls.showLegend(scene.picture, name);
  }

  function drawSearch() {
    if (!scene) return;
    const found = scene.find(model.get("search"));
    controls.showSearch(model.get("search"), found, scene.places.filter(Boolean).length);
    scene.mark("wb-found", found ?? { nodes: [], edges: [] });
    emphasise();
  }

  function drawSelected() {
    if (!scene) return;
    const chosen = scene.resolve(model.get("selected"));
    scene.mark("wb-selected", chosen);
    controls.showDetails(scene, chosen);
    drawAmount();
    emphasise();
  }

  /** What is pointed at comes first, then what is searched, then what is selected. */
  function emphasise() {
    const chosen = scene.resolve(model.get("selected"));
    const found = scene.find(model.get("search"));
    if (hovered) scene.emphasise(canvas, scene.around(hovered.nodes, hovered.edges));
    else if (found) scene.emphasise(canvas, scene.withEnds(found));
    else if (chosen.nodes.length || chosen.edges.length) scene.emphasise(canvas, scene.around(chosen.nodes, chosen.edges));
    else scene.emphasise(canvas, null);
  }

  let match = -1;
  function nextMatch(step) {
    const nodes = [...(scene?.find(model.get("search"))?.nodes ?? [])].sort((a, b) => (before(scene.places[a], scene.places[b]) ? -1 : 1));
    if (!nodes.length) return;
    match = (match + step + nodes.length) % nodes.length;
    camera.reveal(scene.places[nodes[match]], Math.max(camera.k, 0.9));
    scene.mark("wb-current", { nodes: [nodes[match]], edges: [] });
  }

  function hover(target) {
    const [node, edge] = [target?.closest?.("[data-node]"), target?.closest?.("[data-edge]")];
    if (!scene || (!node && !edge)) {
      if (hovered) { hovered = null; tooltip.hide(); if (scene) emphasise(); }
      return false;
    }
    const index = Number(node ? node.dataset.node : edge.dataset.edge);
    const now = node ? { nodes: [index], edges: [] } : { nodes: [], edges: [index] };
    if (JSON.stringify(now) !== JSON.stringify(hovered)) {
      hovered = now;
      emphasise();
    }
    if (tooltip.element.hidden || tooltip.shown !== `${Boolean(node)} ${index}`) {
      tooltip.shown = `${Boolean(node)} ${index}`;
      if (node) tooltip.node(scene, index);
      else tooltip.edge(scene, index);
    }
    return true;
  }

  /** At the node's box, or where the pointer is on an edge. */
  function placeTooltip(event) {
    const top = stage.offsetTop;
    const node = hovered.nodes[0];
    if (node === undefined) {
      const [x, y] = camera.at(event);
      tooltip.place([x - 6, y - 6 + top, x + 6, y + 6 + top]);
      return;
    }
    const [x, y] = scene.places[node].map((value, axis) => value * camera.k + (axis ? camera.y + top : camera.x));
    tooltip.place([x, y, x + scene.picture.box[0] * camera.k, y + scene.picture.box[1] * camera.k]);
  }

  const listen = (event, call) => viewport.addEventListener(event, call, { signal });
  listen("pointermove", (event) => {
    if (canvas.classList.contains("wb-dragging")) return;
    if (hover(event.target)) placeTooltip(event);
  });
  listen("pointerleave", () => hover(null));
  listen("click", (event) => {
    if (!scene || camera.wasDragged) return;
    const [node, edge] = [event.target.closest("[data-node]"), event.target.closest("[data-edge]")];
    const more = event.shiftKey || event.ctrlKey || event.metaKey;
    if (node) act.select(scene.picture.nodes[Number(node.dataset.node)].id, more);
    else if (edge) act.select(scene.edgeItem(scene.picture.edges[Number(edge.dataset.edge)]), more);
    else if (model.get("selected").length && !more) set({ selected: [] });
  });
  listen("dblclick", (event) => {
    const node = event.target.closest("[data-node]");
    if (node) act.focus(Number(node.dataset.node));
    else camera.zoom(ZOOM.step, camera.at(event));
  });
  listen("focusin", (event) => {
    const group = event.target.closest("[data-node]");
    if (!group?.matches(":focus-visible")) return;
    const [x, y] = scene.places[Number(group.dataset.node)];
    camera.reveal([x, y]);
    hover(group);
    placeTooltip(null);
  });
  listen("focusout", () => hover(null));

  /** As high as the map needs at this width; a reader may drag the lower edge. */
  function setHeight() {
    const [width, height] = scene.size;
    const needed = height * Math.min(ZOOM.fitMost, root.clientWidth / width) + 8;
    stage.style.height = `${Math.round(model.get("height") || Math.max(280, Math.min(620, needed)))}px`;
    size = camera.view();
  }

  const observer = new ResizeObserver(() => {
    if (!scene || !stage.clientWidth) return;
    const before = size, now = camera.view();
    if (now[0] === before[0] && now[1] === before[1]) return;
    if (now[0] !== before[0] && !camera.moved) setHeight();
    size = camera.view();
    camera.resized(before);
  });
  observer.observe(stage);

  const reactions = {
    "change:_picture": drawAll, "change:selected": drawSelected, "change:colour_by": drawColour,
    "change:search": () => { match = -1; scene?.mark("wb-current", { nodes: [], edges: [] }); drawSearch(); },
    "change:focus": drawFocus, "change:hops": drawFocus,
    "change:height": () => { if (scene) { setHeight(); camera.resized(size); } },
  };
  for (const [event, react] of Object.entries(reactions)) model.on(event, react);
  drawAll();
  return () => {
    for (const [event, react] of Object.entries(reactions)) model.off(event, react);
    observer.disconnect();
    end.abort();
    root.remove();
  };
}

export default { render };
