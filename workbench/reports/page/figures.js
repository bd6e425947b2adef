// plotly figures in the page's colours. What a figure sets itself is kept; the page fills what its template says.

async function loadPlotly() {
  const packed = document.getElementById("plotly");
  if (!packed) return;
  const url = URL.createObjectURL(new Blob([await unpacked(packed.textContent)], { type: "text/javascript" }));
  await new Promise((done, failed) => {
    const script = document.createElement("script");
    Object.assign(script, { src: url, onload: done, onerror: () => failed(new Error("plotly.js did not load")) });
    document.head.append(script);
  });
  URL.revokeObjectURL(url);
  packed.remove();
}

function drawFigure(host, el) {
  const figure = host.figures[Number(el.dataset.figure)];
  const place = el.appendChild(document.createElement("div"));
  const config = { responsive: true, displaylogo: false, ...figure.config };
  const draw = () => {
    const style = getComputedStyle(document.body);
    const colour = (name) => style.getPropertyValue(name).trim();
    return window.Plotly.react(place, figure.data, fitted(figure.layout ?? {}, colour, el.clientWidth), config);
  };
  document.addEventListener("theme", draw);
  return draw();
}

function fitted(layout, colour, width) {
  const copy = structuredClone(layout);
  const base = ((copy.template ??= {}).layout ??= {});
  const clear = "rgba(0,0,0,0)";
  base.paper_bgcolor = base.plot_bgcolor = clear;
  base.font = { ...base.font, color: colour("--text"), family: getComputedStyle(document.body).fontFamily };
  base.hoverlabel = { ...base.hoverlabel, bgcolor: colour("--raised"), bordercolor: colour("--line"), font: { color: colour("--text") } };
  base.legend = { ...base.legend, bgcolor: clear };
  base.modebar = { ...base.modebar, bgcolor: clear, color: colour("--faint"), activecolor: colour("--accent") };
  base.margin = { l: 60, r: 16, t: copy.title?.text ? 56 : 24, b: 48 }; // plotly leaves 100 pixels for a title, also for none
  for (const axis of ["xaxis", "yaxis"]) {
    base[axis] = { ...base[axis], gridcolor: colour("--grid"), linecolor: colour("--line"), zerolinecolor: colour("--line"), automargin: true };
  }
  if (width < 560 && copy.legend?.orientation === undefined) {
    copy.legend = { ...copy.legend, orientation: "h", x: 0, y: 1.02, xanchor: "left", yanchor: "bottom" };
  }
  copy.autosize ??= true;
  return copy;
}
