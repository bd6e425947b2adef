// Unpacks the page's data, draws what is marked in it, and keeps light and dark in step.

async function unpacked(text) {
  const clean = text.trim();
  const bytes = Uint8Array.fromBase64?.(clean) ?? Uint8Array.from(atob(clean), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function openHost() {
  const packed = document.getElementById("data");
  if (!packed) return null;
  const bytes = await unpacked(packed.textContent);
  packed.remove();
  const length = new DataView(bytes.buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  return new Host(header, bytes.subarray(8 + length));
}

/** Draws every marked place below `root`; a picture that stands there for readers without scripts then goes. */
async function drawPlaces(host, root) {
  for (const place of root.querySelectorAll("[data-model]")) {
    const view = document.createElement("div");
    place.append(view);
    if (await host.render(host.find(place.dataset.model), view)) place.querySelector(":scope > img.static")?.remove();
  }
  for (const place of root.querySelectorAll("[data-figure]")) {
    await drawFigure(host, place);
    place.querySelector(":scope > img.static")?.remove();
  }
}

const SYSTEM = matchMedia("(prefers-color-scheme: dark)");

/** `wanted`: light, dark, or nothing: as the system says. Widgets look where JupyterLab tells them the theme. */
function applyTheme(wanted) {
  if (wanted) document.documentElement.dataset.theme = wanted;
  else delete document.documentElement.dataset.theme;
  const dark = wanted ? wanted === "dark" : SYSTEM.matches;
  document.body.dataset.jpThemeLight = String(!dark);
  document.body.dataset.jpThemeName = dark ? "JupyterLab Dark" : "JupyterLab Light";
  document.dispatchEvent(new Event("theme"));
  return dark;
}

function offerThemes() {
  const button = document.getElementById("theme");
  let wanted, dark;
  const apply = () => {
    dark = applyTheme(wanted);
    button.textContent = dark ? "Light" : "Dark";
  };
  button.hidden = false;
  button.onclick = () => { wanted = dark ? "light" : "dark"; apply(); };
  SYSTEM.addEventListener("change", apply);
  let before;
  window.addEventListener("beforeprint", () => { before = wanted; wanted = "light"; apply(); }); // paper is white
  window.addEventListener("afterprint", () => { wanted = before; apply(); });
  apply();
}

async function start() {
  offerThemes();
  const host = await openHost();
  if (host) {
    await loadPlotly();
    await drawPlaces(host, document);
  }
  document.documentElement.dataset.ready = "true"; // tests and printers wait for it
}

start().catch((error) => {
  console.error(error);
  const note = document.createElement("p");
  note.className = "note";
  note.textContent = `The interactive parts of this report could not be started: ${error.message ?? error}`;
  document.querySelector("main").prepend(note);
  document.documentElement.dataset.ready = "failed";
});
