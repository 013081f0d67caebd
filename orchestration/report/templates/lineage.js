"use strict";
// Shows the way of the chosen column, layer by layer. The chosen column stands in the address, so that it can be sent.
const { layers, places, made_of } = JSON.parse(document.getElementById("lineage").textContent);
const goes_to = places.map(() => []);
made_of.forEach((sources, i) => sources.forEach((s) => goes_to[s].push(i)));
const number = new Map(places.map(([table, column], i) => [table + "\n" + column, i]));
const columns = new Map();
places.forEach(([table, column]) => columns.set(table, [...(columns.get(table) || []), column]));
const layer = (table) => table.split(".")[0];
const [tableBox, columnBox, directionBox] = ["table", "column", "direction"].map((id) => document.getElementById(id));

function element(name, text, parent, attributes = {}) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  Object.assign(made, attributes);
  parent.append(made);
  return made;
}

function address(table, column) {
  return "#" + encodeURIComponent(table) + "/" + encodeURIComponent(column);
}

function fill(box, names, chosen) {
  box.replaceChildren();
  names.forEach((name) => element("option", name, box, { value: name, selected: name === chosen }));
}

function reached(start, steps) {
  const found = new Set(), waiting = [...steps[start]];
  while (waiting.length) {
    const next = waiting.pop();
    if (!found.has(next)) {
      found.add(next);
      waiting.push(...steps[next]);
    }
  }
  return found;
}

function show() {
  const start = number.get(tableBox.value + "\n" + columnBox.value);
  const up = directionBox.value === "up";
  const steps = up ? made_of : goes_to;
  const found = reached(start, steps), direct = new Set(steps[start]);
  const way = document.getElementById("way");
  way.replaceChildren();
  for (const name of up ? [...layers].reverse() : layers) {
    const inside = [...found, start].filter((i) => layer(places[i][0]) === name);
    if (!inside.length) continue;
    const item = element("li", "", way, { className: inside.includes(start) ? "here" : "" });
    element("h3", name, item);
    const list = element("dl", "", item);
    for (const table of [...new Set(inside.map((i) => places[i][0]))].sort()) {
      element("dt", table, list);
      const cell = element("dd", "", list);
      inside
        .filter((i) => places[i][0] === table)
        .sort((a, b) => a - b)
        .forEach((i) => element("a", places[i][1], cell, {
          href: address(...places[i]),
          className: direct.has(i) ? "direct" : "",
        }));
    }
  }
  const told = found.size ? `${found.size} columns, ${direct.size} of them directly.` :
    up ? "Made of nothing before it: a hospital, a person or the program states it." : "Nothing is made of it.";
  document.getElementById("told").textContent = told;
}

function choose() {
  const [table, column] = location.hash.slice(1).split("/").map(decodeURIComponent);
  const known = columns.has(table) ? table : [...columns.keys()].find((t) => layer(t) === "report") || places[0][0];
  fill(tableBox, [...columns.keys()].sort((a, b) =>
    layers.indexOf(layer(b)) - layers.indexOf(layer(a)) || a.localeCompare(b)), known);
  fill(columnBox, columns.get(known), column);
  show();
}

tableBox.addEventListener("change", () => { location.hash = address(tableBox.value, columns.get(tableBox.value)[0]); });
columnBox.addEventListener("change", () => { location.hash = address(tableBox.value, columnBox.value); });
directionBox.addEventListener("change", show);
window.addEventListener("hashchange", choose);
choose();
