/* Draws every chart of a page from the specification beside it. Expressions are interpreted, never evaluated,
   so that the policy of the pages can forbid eval. */
import { expressionInterpreter } from "./vendored/vega-interpreter.js";
import { spoken } from "./spoken.js";
import { wrapped } from "./wrapped.js";

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

// Panels beside each other have widths of their own, which a phone does not have: there they stand below each
// other, as wide as the room is.
function fitted(spec, room) {
  const panels = spec.concat ?? spec.vconcat ?? spec.hconcat;
  const own = typeof spec.width === "number" ? { width: Math.max(120, Math.min(spec.width, room)) } : {};
  if (!panels) return { ...spec, ...own };
  const inside = panels.map((panel) => fitted(panel, room));
  if (spec.vconcat) return { ...spec, vconcat: inside };
  if (spec.hconcat) return { ...spec, hconcat: undefined, concat: inside, columns: 1 };
  return { ...spec, concat: inside, columns: 1 };
}

const NAME_ROOM = 108; // pixels beside an axis of a narrow screen
// Labels beside an axis have twice the room where there is twice the width.
const LABELS = ["minExtent", "maxExtent", "labelLimit"];
const roomier = (key, value) => (LABELS.includes(key) && typeof value === "number" ? 2 * value : value);

async function embed(place, spec) {
  const isNarrow = place.clientWidth < 700;
  const legend = isNarrow ? { ...CONFIG.legend, columns: 2, labelFontSize: 11 } : CONFIG.legend;
  const { view } = await window.vegaEmbed(place, spec, {
    mode: "vega-lite",
    ast: true,
    expr: expressionInterpreter,
    config: { ...CONFIG, axis: { ...CONFIG.axis, labelLimit: isNarrow ? 130 : 330, titleFontSize: isNarrow ? 10 : 12 }, legend },
    renderer: spec.usermeta?.renderer ?? "svg",
    actions: false,
    logLevel: window.vega.Error,
    defaultStyle: false,
    tooltip: { disableDefaultStyle: true },
  });
  return view;
}

async function draw(place) {
  place.dataset.drawn = "begun";
  const text = document.getElementById(place.dataset.spec).textContent;
  const isNarrow = place.clientWidth < 700;
  const spec = isNarrow ? wrapped(JSON.parse(text), NAME_ROOM, place.clientWidth, FONT) : JSON.parse(text, roomier);
  try {
    let view = await embed(place, spec);
    const room = place.clientWidth;
    for (let margin = 60; place.scrollWidth > room + 1 && margin <= 240; margin += 60) {
      view = await embed(place, fitted(spec, room - margin));
    }
    // the caption names the drawing as one image, and the table below it is what is read aloud
    for (const drawn of place.children) drawn.setAttribute("aria-hidden", "true");
    if (place.scrollWidth > room + 1) place.tabIndex = 0; // what scrolls is reached by the keyboard
    spoken(place, spec, view);
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
