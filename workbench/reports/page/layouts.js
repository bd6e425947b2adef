// ipywidgets' containers and texts. Controls need a kernel: they show their value.

const CONTAINERS = new Set(["HBox", "VBox", "Box", "GridBox", "Stack"]);

/** The sizes and flexes a Layout model gives a view. */
function applyLayout(host, model, el) {
  const layout = host.find(model.get("layout"));
  for (const [key, value] of Object.entries(layout?.state ?? {})) {
    if (!key.startsWith("_") && typeof value === "string") el.style.setProperty(key.replaceAll("_", "-"), value);
  }
}

async function renderControl(host, model, el) {
  if (CONTAINERS.has(model.kind)) return renderContainer(host, model, el);
  if (model.kind === "Tab") return renderTab(host, model, el);
  if (model.kind === "Accordion") return renderAccordion(host, model, el);
  if (model.kind === "HTML" || model.kind === "HTMLMath") return renderText(model, el, model.get("_html"));
  if (model.kind === "Label") return renderText(model, el);
  if (model.kind === "Output") {
    el.innerHTML = model.get("_html"); // written and made harmless when the page was made
    return drawPlaces(host, el);
  }
  return renderValue(host, model, el);
}

function renderText(model, el, html) {
  if (html === undefined) el.textContent = model.get("value");
  else el.innerHTML = html;
  el.classList.add("html");
  model.on("change:value", () => { el.textContent = model.get("value"); }); // later values nobody has checked
}

async function renderChildren(host, model, el) {
  for (const reference of model.get("children") ?? []) {
    const child = el.appendChild(document.createElement("div"));
    await host.render(host.find(reference), child);
  }
}

async function renderContainer(host, model, el) {
  el.classList.add("box", `box-${model.kind.toLowerCase()}`);
  await renderChildren(host, model, el);
  if (model.kind !== "Stack") return;
  [...el.children].forEach((child, i) => { child.hidden = i !== model.get("selected_index"); });
}

async function renderTab(host, model, el) {
  const bar = el.appendChild(document.createElement("div"));
  const panels = el.appendChild(document.createElement("div"));
  bar.className = "tabs";
  bar.setAttribute("role", "tablist");
  await renderChildren(host, model, panels);
  const buttons = [...panels.children].map((panel, i) => {
    const button = bar.appendChild(document.createElement("button"));
    button.textContent = model.get("titles")?.[i] || `${i + 1}`;
    button.setAttribute("role", "tab");
    panel.setAttribute("role", "tabpanel");
    button.onclick = () => model.set("selected_index", i);
    return button;
  });
  const show = () => {
    const chosen = model.get("selected_index") ?? 0;
    buttons.forEach((button, i) => button.setAttribute("aria-selected", i === chosen));
    [...panels.children].forEach((panel, i) => { panel.hidden = i !== chosen; });
    window.dispatchEvent(new Event("resize")); // what was drawn while hidden had no width
  };
  model.on("change:selected_index", show);
  show();
}

async function renderAccordion(host, model, el) {
  const children = model.get("children") ?? [];
  for (const [i, reference] of children.entries()) {
    const part = el.appendChild(document.createElement("details"));
    part.open = i === model.get("selected_index");
    part.appendChild(document.createElement("summary")).textContent = model.get("titles")?.[i] || `${i + 1}`;
    await host.render(host.find(reference), part.appendChild(document.createElement("div")));
  }
}

/** A slider, a menu, a button, ...: what it was set to. */
function renderValue(host, model, el) {
  const description = model.get("description") || model.kind;
  const choice = model.get("_options_labels")?.[model.get("index")];
  const note = el.appendChild(document.createElement("p"));
  note.className = "control";
  note.title = NO_KERNEL;
  const show = () => {
    const value = choice ?? model.get("value");
    note.textContent = value === undefined || value === null ? description : `${description}: ${plain(value)}`;
  };
  model.on("change:value", show);
  show();
}

function plain(value) {
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
