/* Names beside a vertical axis, on a narrow screen: each is broken into lines, and its row is made as high as
   its lines need, so that no name ends in an ellipsis. */
const LINE = 13; // pixels from line to line
const FONT_SIZE = 12;
// Chinese may break at each character; other text breaks after a blank, or after a hyphen between words
const PIECES = /[\u2e80-\uffef][，。、）：；]?|[^\s\u2e80-\uffef]+?-(?=[A-Za-z]{3})|[^\s\u2e80-\uffef]+\s*|\s+/g;

export function wrapped(spec, room, font) {
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = `${FONT_SIZE}px ${font}`;
  const lines = (text) => {
    const found = [""];
    for (const piece of text.match(PIECES) ?? []) {
      const longer = found.at(-1) + piece;
      if (found.at(-1) && pen.measureText(longer.trimEnd()).width > room) found.push(piece);
      else found[found.length - 1] = longer;
    }
    return found.map((line) => line.trimEnd());
  };
  wrap(spec, [], lines);
  return spec;
}

// Returns how many lines the longest name of the view has.
function wrap(view, above, lines) {
  const values = view.data?.values ?? above;
  const parts = ["layer", "concat", "hconcat", "vconcat"].flatMap((key) => view[key] ?? []);
  let most = Math.max(1, ...parts.map((part) => wrap(part, values, lines)));
  const y = view.encoding?.y;
  if (["nominal", "ordinal"].includes(y?.type) && y.axis !== null) {
    const rows = [...values, ...parts.flatMap((part) => part.data?.values ?? [])];
    const names = [...new Set(rows.map((row) => row[y.field]).filter((name) => typeof name === "string"))];
    const broken = Object.fromEntries(names.map((name) => [name, lines(name)]));
    most = Math.max(most, ...names.map((name) => broken[name].length));
    const told = `(${JSON.stringify(broken)})[datum.label]`;
    const heights = Array.from({ length: most - 1 }, (_, i) => i + 2); // the lines of a name stand around its tick
    const condition = heights.map((n) => ({ test: `length(${told}) === ${n}`, value: ((1 - n) * LINE) / 2 }));
    const labelOffset = condition.length ? { condition, value: 0 } : 0;
    y.axis = { ...y.axis, labelLimit: 0, labelLineHeight: LINE, labelExpr: told, labelOffset };
  }
  const x = view.encoding?.x?.axis;
  if (x?.labelAngle) x.labelAngle = -90; // a slanted name would be cut off at the edge
  if (view.height?.step) view.height.step = Math.max(view.height.step, most * LINE + 5);
  return most;
}
