/* Draws every chart of a page from the specification beside it. Expressions are interpreted, never evaluated,
   so that the policy of the pages can forbid eval. */
import { expressionInterpreter } from "./vendored/vega-interpreter.js";

const FONT = getComputedStyle(document.body).fontFamily;
const INK = "#1d2329";
const MUTED = "#5b6570";
const CONFIG = {
  font: FONT,
  background: "transparent",
  axis: { labelColor: INK, titleColor: INK, labelFontSize: 12, titleFontSize: 12, gridColor: "#e3e7eb", domainColor: MUTED, tickColor: MUTED, titleFontWeight: 600 },
  legend: { labelColor: INK, titleColor: INK, labelFontSize: 12, titleFontSize: 12, labelLimit: 260, orient: "top" },
  header: { labelColor: INK, titleColor: INK, labelFontSize: 12, titleFontSize: 12 },
  view: { stroke: null },
  // a group has its colour from the specification; this order is that of the report's figures
  range: { category: ["#0072B2", "#C04F00", "#00795A", "#A8508A", "#000000", "#7A5C00"] },
};

async function draw(place) {
  place.dataset.drawn = "begun";
  const spec = JSON.parse(document.getElementById(place.dataset.spec).textContent);
  try {
    await window.vegaEmbed(place, spec, {
      mode: "vega-lite",
      ast: true,
      expr: expressionInterpreter,
      config: { ...CONFIG, axis: { ...CONFIG.axis, labelLimit: place.clientWidth < 700 ? 130 : 280 } },
      renderer: spec.usermeta?.renderer ?? "svg",
      actions: false,
      logLevel: window.vega.Error,
      defaultStyle: false,
      tooltip: { disableDefaultStyle: true },
    });
    place.dataset.drawn = "yes";
  } catch (error) {
    place.dataset.drawn = "failed";
    place.closest("figure").querySelector("details").open = true;
    console.error(error);
  }
}

function drawAll(root) {
  for (const place of root.querySelectorAll("[data-spec]:not([data-drawn])")) draw(place);
}

drawAll(document);
document.body.addEventListener("htmx:afterSettle", () => drawAll(document));
