"use strict";
// The anywidget front-end contract without a kernel: models with the saved state, their modules, views of them.
// A change of a model reaches all its views and what is linked to it; it is not kept when the page is closed.

const NO_KERNEL = "this report has no kernel: open the notebook in JupyterLab to ask for more";

/** What a widget may use of a model: get, set, save_changes, on, off, send. */
class Model {
  constructor(id, { module, name, state }) {
    Object.assign(this, { id, module, state, kind: name.replace(/Model$/, ""), listeners: [] });
  }

  get(key) {
    return this.state[key];
  }

  /** Backbone's rule: all keys are changed first, then `change:<key>` for each that differs, then one `change`. */
  set(key, value) {
    const wanted = typeof key === "object" ? key : { [key]: value };
    const changed = Object.keys(wanted).filter((name) => !equal(this.state[name], wanted[name]));
    Object.assign(this.state, wanted);
    for (const name of changed) this.emit(`change:${name}`, this, this.state[name], {});
    if (changed.length) this.emit("change", this, {});
    return this;
  }

  save_changes() {} // nobody is behind the page; `set` has told the other views already

  /** Questions to the kernel get an answer at once: that there is none. */
  send(content) {
    if (content?.id === undefined) return;
    queueMicrotask(() => this.emit("msg:custom", { id: content.id, error: NO_KERNEL }, []));
  }

  on(events, callback, context) {
    for (const name of events.split(/\s+/)) this.listeners.push({ name, callback, context });
    return this;
  }

  off(events, callback) {
    const names = events?.split(/\s+/);
    this.listeners = this.listeners.filter(
      (each) => (names && !names.includes(each.name)) || (callback && each.callback !== callback),
    );
    return this;
  }

  emit(name, ...values) {
    for (const each of [...this.listeners]) {
      if (each.name !== name) continue;
      try {
        each.callback.apply(each.context ?? this, values);
      } catch (error) {
        console.error(error); // one broken view does not stop the others
      }
    }
  }
}

function equal(a, b) {
  if (a === b) return true;
  if (ArrayBuffer.isView(a) || ArrayBuffer.isView(b)) return false;
  return typeof a === "object" && typeof b === "object" && JSON.stringify(a) === JSON.stringify(b);
}

/** All models of the page; draws views of them. */
class Host {
  constructor({ models, modules, figures }, bytes) {
    this.modules = modules;
    this.figures = figures;
    this.models = new Map();
    this.loaded = new Map(); // module text's digest -> promise of what it exports
    this.begun = new Map(); // model id -> promise: `initialize` runs once per model
    this.styled = new Set();
    for (const [id, saved] of Object.entries(models)) {
      for (const { path, start, length } of saved.buffers ?? []) {
        let place = saved.state;
        for (const step of path.slice(0, -1)) place = place[step];
        place[path.at(-1)] = new DataView(bytes.buffer, bytes.byteOffset + start, length);
      }
      const model = new Model(id, saved);
      model.widget_manager = { get_model: async (other) => this.find(other) };
      this.models.set(id, model);
    }
    this.handle = { getModel: async (reference) => this.find(reference), getWidget: (reference) => this.widget(reference) };
    for (const model of this.models.values()) this.link(model);
  }

  find(reference) {
    return this.models.get(String(reference).replace(/^(anywidget:|IPY_MODEL_)/, ""));
  }

  async widget(reference) {
    const model = this.find(reference);
    if (!model) throw new Error(`the report has no model ${reference}`);
    const { exports } = await this.begin(model);
    return { exports, render: ({ el, signal }) => this.renderModule(model, el, signal) };
  }

  /** ipywidgets' jslink and jsdlink. */
  link(model) {
    if (model.kind !== "Link" && model.kind !== "DirectionalLink") return;
    const ends = [model.get("source"), model.get("target")].map(([reference, key]) => ({ model: this.find(reference), key }));
    if (!ends[0].model || !ends[1].model) return;
    const follow = (from, to) =>
      from.model.on(`change:${from.key}`, () => to.model.set(to.key, from.model.get(from.key)));
    follow(ends[0], ends[1]);
    if (model.kind === "Link") follow(ends[1], ends[0]);
  }

  load(model) {
    const digest = model.get("_esm");
    if (!this.loaded.has(digest)) {
      const url = URL.createObjectURL(new Blob([this.modules[digest]], { type: "text/javascript" }));
      this.loaded.set(digest, import(url).then(definition).finally(() => URL.revokeObjectURL(url)));
    }
    return this.loaded.get(digest);
  }

  begin(model) {
    if (!this.begun.has(model.id)) {
      const start = async () => {
        const module = await this.load(model);
        const signal = new AbortController().signal; // a model ends with the page
        return { module, exports: await module.initialize?.({ model, signal, experimental: EXPERIMENTAL }) };
      };
      this.begun.set(model.id, start());
    }
    return this.begun.get(model.id);
  }

  async renderModule(model, el, signal = new AbortController().signal) {
    const css = model.get("_css");
    if (css && !this.styled.has(css)) {
      const style = document.createElement("style");
      style.textContent = css;
      document.head.append(style);
      this.styled.add(css);
    }
    const { module } = await this.begin(model);
    return module.render?.({ model, el, signal, host: this.handle, experimental: EXPERIMENTAL });
  }

  /** Draws a view; what cannot be drawn says so in its place, because a blank would look like an empty result. */
  async render(model, el) {
    try {
      if (!model) throw new Error("its data are not in this report");
      applyLayout(this, model, el);
      if (model.module === "anywidget") await this.renderModule(model, el);
      else await renderControl(this, model, el);
      return true;
    } catch (error) {
      const note = document.createElement("p");
      note.className = "note";
      note.textContent = `This view could not be drawn: ${error.message ?? error}`;
      el.append(note);
      console.error(error);
      return false;
    }
  }
}

const EXPERIMENTAL = { invoke: () => Promise.reject(new Error(NO_KERNEL)) };

/** A module exports a definition, a function that makes one, or (older ones) `render` alone. */
async function definition(module) {
  if (module.default === undefined) return module;
  return typeof module.default === "function" ? module.default() : module.default;
}
