/* Single lines of a chart for the keyboard and for who hears the page: a list of them below the drawing. The
   chosen line comes forward as under a pointer, and its values are said. The specification tells in
   `usermeta.spoken` what the list is called, and of each panel its name and the parameter that holds its line. */
export function spoken(place, spec, view) {
  const told = spec.usermeta?.spoken;
  if (!told || place.nextElementSibling?.matches(".spoken")) return;
  const said = document.createElement("output");
  const list = document.createElement("select");
  list.append(new Option(told.none, ""));
  const courses = [];
  told.panels.forEach((panel, i) => {
    const group = document.createElement("optgroup");
    group.label = panel.name;
    const lines = Map.groupBy(spec.concat[i].layer[0].data.values, (value) => value.line);
    [...lines].forEach(([line, values], n) => {
      const name = told.course.replace("{n}", n + 1).replace("{of}", lines.size);
      group.append(new Option(name, courses.length));
      courses.push({ panel, line, text: `${panel.name}, ${name}: ${values.map(value).join("; ")}` });
    });
    list.append(group);
  });
  list.addEventListener("change", () => {
    const course = courses[list.value];
    for (const panel of told.panels) view.signal(panel.parameter, course?.panel === panel ? course.line : null);
    view.run();
    said.textContent = course?.text ?? "";
  });
  const label = document.createElement("label");
  label.append(told.label, " ", list);
  const row = document.createElement("div");
  row.className = "spoken";
  row.append(label, said);
  place.after(row);
}

const value = ({ visit, value, limit }) => `${visit} ${Number(value.toPrecision(6))}${limit ? ` (${limit})` : ""}`;
