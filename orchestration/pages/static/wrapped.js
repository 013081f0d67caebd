/* Names beside and below the axes, on a narrow screen: each is broken into lines, and its row is made as high
   as its lines need, so that no name ends in an ellipsis or lies over its neighbour. A legend has as many
   columns as there is room for. */
const LINE = 13; // pixels from line to line
const FONT_SIZE = 12;
const SCALE_ROOM = 60; // pixels of a scale to the left of names that stand below
const SYMBOL = 24; // pixels of a legend's symbol and the gap behind its name
// Chinese may break at each character; other text breaks after a blank, or after a hyphen between words
const PIECES = /[\u2e80-\uffef][，。、）：；]?|[^\s\u2e80-\uffef]+?-(?=[A-Za-z]{3})|[^\s\u2e80-\uffef]+\s*|\s+/g;

/* `room`: of a name beside an axis; `width`: of the drawing. */
export function wrapped(spec, room, width, font) {
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = `${FONT_SIZE}px ${font}`;
  const lines = (text, most) => {
    const found = [""];
    for (const piece of text.match(PIECES) ?? []) {
      const longer = found.at(-1) + piece;
      if (found.at(-1) && pen.measureText(longer.trimEnd()).width > most) found.push(piece);
      else found[found.length - 1] = longer;
    }
    return found.map((line) => line.trimEnd());
  };
  wrap(spec, [], { lines, room, width, widthOf: (text) => pen.measureText(text).width });
  return spec;
}

// Returns how many lines the longest name beside the view has.
function wrap(view, above, how) {
  const values = view.data?.values ?? above;
  const parts = ["layer", "concat", "hconcat", "vconcat"].flatMap((key) => view[key] ?? []);
  let most = Math.max(1, ...parts.map((part) => wrap(part, values, how)));
  const rows = [...values, ...parts.flatMap((part) => part.data?.values ?? [])];
  const { x, y, color } = view.encoding ?? {};
  if (color?.legend?.columns) {
    const widest = Math.max(...(color.scale?.domain ?? []).map(how.widthOf)) + SYMBOL;
    const fitting = Math.floor((how.width - how.room - SCALE_ROOM) / widest);
    color.legend.columns = Math.max(1, Math.min(color.legend.columns, fitting));
  }
  if (isNamed(y)) {
    const told = breaks(y, rows, () => how.room, how.lines);
    most = Math.max(most, told.most);
    const heights = Array.from({ length: told.most - 1 }, (_, i) => i + 2); // the lines stand around the tick
    const condition = heights.map((n) => ({ test: `length(${told.expression}) === ${n}`, value: ((1 - n) * LINE) / 2 }));
    y.axis.labelOffset = condition.length ? { condition, value: 0 } : 0;
  }
  if (x?.axis?.labelAngle) x.axis.labelAngle = -90; // a slanted name would be cut off at the edge
  else if (isNamed(x)) breaks(x, rows, (names) => (how.width - SCALE_ROOM) / names - 6, how.lines);
  if (view.height?.step) view.height.step = Math.max(view.height.step, most * LINE + 5);
  return most;
}

const isNamed = (channel) => ["nominal", "ordinal"].includes(channel?.type) && channel.axis !== null;

// Breaks the names of a channel; returns the expression that looks one up, and the lines of the longest.
function breaks(channel, rows, room, lines) {
  const names = [...new Set(rows.map((row) => row[channel.field]).filter((name) => typeof name === "string"))];
  const broken = Object.fromEntries(names.map((name) => [name, lines(name, room(names.length))]));
  const expression = `(${JSON.stringify(broken)})[datum.label]`;
  channel.axis = { ...channel.axis, labelLimit: 0, labelLineHeight: LINE, labelExpr: expression };
  return { expression, most: Math.max(1, ...Object.values(broken).map((found) => found.length)) };
}
