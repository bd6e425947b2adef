// What part of the map is seen: pan by dragging, zoom by Ctrl + wheel, pinch or buttons. A plain wheel scrolls the page,
// as a notebook's reader expects; a note then says how to zoom. The overview shows where one is.

const ZOOM = { least: 0.04, most: 2.5, step: 1.35, fitMost: 1.1 };
// What is written in the map depends on the scale. Below FAR: names alone, as large as boxes allow; below NEAR: names and
// figures in large letters; above: all as it was meant, with edges' labels; in large maps those of quiet edges come last.
const [FAR, NEAR, NEAREST] = [0.4, 0.68, 1.15];

class Camera {
  /** `canvas` lies in `viewport`, and that in `stage`. */
  constructor(stage, viewport, canvas, signal) {
    Object.assign(this, { stage, canvas, x: 0, y: 0, k: 1, moved: false });
    this.frame = svg("rect", { class: "wb-frame" });
    this.boxes = svg("path", { class: "wb-boxes" });
    this.overview = svg("svg", { class: "wb-minimap", "aria-hidden": "true" }, this.boxes, this.frame);
    const key = /Mac/.test(navigator.platform) ? "⌘" : "Ctrl";
    this.note = html("div", { class: "wb-note", "aria-hidden": "true" }, `${key} + wheel zooms`);
    stage.append(this.overview, this.note);
    stage.addEventListener("wheel", (event) => this.wheel(event), { signal, passive: false });
    viewport.addEventListener("pointerdown", (event) => this.drag(event, signal), { signal });
    this.overview.addEventListener("pointerdown", (event) => this.jump(event, signal), { signal });
    signal.addEventListener("abort", () => clearTimeout(this.timer));
  }

  show(scene) {
    this.scene = scene;
    const [width, height] = scene.size;
    const [boxWidth, boxHeight] = scene.picture.box;
    this.canvas.setAttribute("width", width);
    this.canvas.setAttribute("height", height);
    this.overview.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const scale = Math.min(168 / width, 110 / height);
    this.overview.style.width = `${width * scale}px`;
    this.overview.style.height = `${height * scale}px`;
    const places = scene.places.filter(Boolean);
    this.boxes.setAttribute("d", places.map(([x, y]) => `M${x} ${y}h${boxWidth}v${boxHeight}h${-boxWidth}Z`).join(""));
    this.fit();
  }

  view() {
    return [this.stage.clientWidth || 800, this.stage.clientHeight || 400];
  }

  fittingScale() {
    const [width, height] = this.view();
    return Math.min(ZOOM.fitMost, width / this.scene.size[0], height / this.scene.size[1]);
  }

  fit() {
    if (!this.scene) return;
    const [width, height] = this.view();
    this.k = this.fittingScale();
    this.x = (width - this.scene.size[0] * this.k) / 2;
    this.y = (height - this.scene.size[1] * this.k) / 2;
    this.moved = false;
    this.apply();
  }

  /** The stage has another size: what was in the middle stays there. */
  resized(before) {
    if (!this.scene) return;
    if (!this.moved) return this.fit();
    const [width, height] = this.view();
    this.x += (width - before[0]) / 2;
    this.y += (height - before[1]) / 2;
    this.apply();
  }

  zoom(factor, [px, py] = this.view().map((side) => side / 2)) {
    const k = Math.min(ZOOM.most, Math.max(Math.min(ZOOM.least, this.fittingScale()), this.k * factor));
    this.x = px - ((px - this.x) * k) / this.k;
    this.y = py - ((py - this.y) * k) / this.k;
    this.k = k;
    this.moved = true;
    this.apply();
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.moved = true;
    this.apply();
  }

  centre([x, y], k = this.k) {
    const [width, height] = this.view();
    Object.assign(this, { k, x: width / 2 - x * k, y: height / 2 - y * k, moved: true });
    this.apply();
  }

  /** Move only if the box is not wholly in view. */
  reveal([x, y], k = this.k) {
    const [width, height] = this.view();
    const [boxWidth, boxHeight] = this.scene.picture.box;
    const left = x * this.k + this.x, top = y * this.k + this.y;
    const inside = left >= 0 && top >= 0 && left + boxWidth * this.k <= width && top + boxHeight * this.k <= height;
    if (!inside || k !== this.k) this.centre([x + boxWidth / 2, y + boxHeight / 2], k);
  }

  apply() {
    const [width, height] = this.view();
    const [mapWidth, mapHeight] = this.scene.size;
    // At least a corner of the map stays in view: nobody gets lost on an empty plane.
    const keep = 80;
    this.x = Math.min(width - keep, Math.max(keep - mapWidth * this.k, this.x));
    this.y = Math.min(height - keep, Math.max(keep - mapHeight * this.k, this.y));
    // A transform of the whole picture: one inside of it would lay out every text anew at each step of a zoom.
    this.canvas.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.k})`;
    this.canvas.classList.toggle("wb-far", this.k < FAR);
    this.canvas.classList.toggle("wb-middle", this.k >= FAR && this.k < NEAR);
    this.canvas.classList.toggle("wb-near", this.k >= NEAR);
    this.canvas.classList.toggle("wb-nearest", this.k >= (this.scene.crowded() ? NEAREST : NEAR));
    const all = this.k <= this.fittingScale() * 1.05;
    this.overview.classList.toggle("wb-hidden", all);
    const frame = { x: -this.x / this.k, y: -this.y / this.k, width: width / this.k, height: height / this.k };
    for (const [name, value] of Object.entries(frame)) this.frame.setAttribute(name, value);
    this.changed?.();
  }

  at(event) {
    const box = this.stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  wheel(event) {
    if (!this.scene) return;
    if (!event.ctrlKey && !event.metaKey) { // the page scrolls
      this.note.classList.add("wb-shown");
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.note.classList.remove("wb-shown"), 1200);
      return;
    }
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === 1 ? 16 : 1);
    this.zoom(Math.exp(-Math.max(-120, Math.min(120, pixels)) * 0.0028), this.at(event));
  }

  /** A drag moves the map; less than four pixels are a click, which the scene gets. */
  drag(event, signal) {
    if (event.button !== 0 || !this.scene) return;
    let last = [event.clientX, event.clientY];
    let dragging = false;
    const end = new AbortController();
    const options = { signal: AbortSignal.any([signal, end.signal]) };
    window.addEventListener("pointermove", (move) => {
      const [dx, dy] = [move.clientX - last[0], move.clientY - last[1]];
      if (!dragging && Math.hypot(dx, dy) < 4) return;
      dragging = true;
      this.canvas.classList.add("wb-dragging");
      this.pan(dx, dy);
      last = [move.clientX, move.clientY];
    }, options);
    const stop = () => {
      end.abort();
      this.canvas.classList.remove("wb-dragging");
      this.wasDragged = dragging;
    };
    window.addEventListener("pointerup", stop, options);
    window.addEventListener("pointercancel", stop, options);
    this.wasDragged = false;
  }

  jump(event, signal) {
    event.preventDefault();
    const go = (where) => {
      const box = this.overview.getBoundingClientRect();
      const scale = this.scene.size[0] / box.width;
      this.centre([(where.clientX - box.left) * scale, (where.clientY - box.top) * scale]);
    };
    const end = new AbortController();
    const options = { signal: AbortSignal.any([signal, end.signal]) };
    window.addEventListener("pointermove", go, options);
    for (const name of ["pointerup", "pointercancel"]) window.addEventListener(name, () => end.abort(), options);
    go(event);
  }
}
