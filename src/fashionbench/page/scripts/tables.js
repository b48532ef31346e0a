// Tables that sort and filter, and that copy what they show.

const NUMBER = String.raw`[-+]?\d[\d,]*(?:\.\d+)?`;
/** What stands in one cell for people, and the ends of the headings of its numbers. */
const COMPOUND = [
  [new RegExp(`^(${NUMBER}) ± (${NUMBER})$`), ["", " ±"]],
  [new RegExp(`^(${NUMBER}) \\[(${NUMBER}), (${NUMBER})\\]$`), ["", " low", " high"]],
  [/^(\d+) of (\d+)$/, ["", " of"]],
  [/^(\d+) of (\d+) \((\d+) to (\d+)%\)$/, ["", " of", " low %", " high %"]],
];
const FORMATS = { CSV: toCsv, Markdown: toMarkdown, LaTeX: toLatex };

function enhance(table) {
  const title = table.caption.textContent.trim();
  const tools = element("div");
  tools.className = "tools";
  const said = element("output");
  const filter = element("input");
  filter.type = "search";
  filter.placeholder = "filter rows";
  filter.setAttribute("aria-label", `Filter rows: ${title}`);
  filter.addEventListener("input", () => {
    said.textContent = filterRows(table, filter.value);
  });
  tools.append(filter);
  for (const [format, write] of Object.entries(FORMATS)) {
    const button = element("button", `Copy as ${format}`);
    button.type = "button";
    button.addEventListener("click", async () => {
      said.textContent = await copy(write(shownCells(table)), `${format} is on the clipboard.`, said);
    });
    tools.append(button);
  }
  tools.append(said);
  table.closest(".scroll").before(tools);
  [...table.tHead.rows[0].cells].forEach((cell, column) => makeSortable(table, cell, column));
}

function makeSortable(table, cell, column) {
  const button = element("button", cell.textContent);
  button.type = "button";
  button.addEventListener("click", () => {
    const direction = cell.ariaSort === "ascending" ? "descending" : "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    cell.setAttribute("aria-sort", direction);
    sortRows(table, column, direction === "ascending" ? 1 : -1);
  });
  cell.replaceChildren(button);
}

function sortRows(table, column, sign) {
  const key = (row) => row.cells[column].textContent.trim();
  const number = (text) => Number.parseFloat(text.replaceAll(",", "").replace("<", ""));
  const compare = (one, other) => {
    const difference = number(one) - number(other);
    return Number.isNaN(difference) ? one.localeCompare(other, "en", { numeric: true }) : difference;
  };
  const [body] = table.tBodies;
  body.append(...[...body.rows].sort((one, other) => sign * compare(key(one), key(other))));
}

/** Hide the rows that lack one of the words; return how many are left. */
function filterRows(table, text) {
  const words = text.toLowerCase().split(/\s+/);
  const rows = [...table.tBodies[0].rows];
  for (const row of rows) {
    const content = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => content.includes(word));
  }
  return `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
}

function shownCells(table) {
  const rows = [...table.tHead.rows, ...table.tBodies[0].rows].filter((row) => !row.hidden);
  return rows.map((row) => [...row.cells].map((cell) => cell.textContent.trim()));
}

function toCsv(rows) {
  const quote = (cell) => (/[",\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
  return inNumbers(rows).map((row) => row.map(quote).join(",")).join("\n");
}

/** Give each number a cell of its own, without commas between thousands. */
function inNumbers([head, ...rows]) {
  const plain = (text) => (new RegExp(`^${NUMBER}$`).test(text) ? text.replaceAll(",", "") : text);
  const columns = head.map((name, column) => {
    const cells = rows.map((row) => row[column]);
    const [form, endings] = COMPOUND.find(([one]) => cells.some((cell) => one.test(cell))) ?? [];
    if (!form) return [[name], ...cells.map((cell) => [plain(cell)])];
    const split = (cell) => form.exec(cell)?.slice(1) ?? [cell, ...endings.slice(1).map(() => "")];
    return [endings.map((ending) => name + ending), ...cells.map((cell) => split(cell).map(plain))];
  });
  return [head, ...rows].map((_, row) => columns.flatMap((column) => column[row]));
}

function toMarkdown([head, ...rows]) {
  const line = (row) => `| ${row.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  const rule = `|---|${"---:|".repeat(head.length - 1)}`;
  return [line(head), rule, ...rows.map(line)].join("\n");
}

function toLatex([head, ...rows]) {
  const line = (row) => `${row.map(escapeLatex).join(" & ")} \\\\`;
  return [
    `\\begin{tabular}{l${"r".repeat(head.length - 1)}}`,
    line(head),
    "\\hline",
    ...rows.map(line),
    "\\end{tabular}",
  ].join("\n");
}

function escapeLatex(text) {
  return text
    .replace(/[%&#_$]/g, "\\$&")
    .replaceAll("±", "$\\pm$")
    .replaceAll("<", "$<$");
}

/** Put a text on the clipboard, or select it below ``place`` if that is forbidden; return what to tell. */
async function copy(text, done, place) {
  try {
    await navigator.clipboard.writeText(text);
    return done;
  } catch {
    // Over http, and in a sandboxed frame.
    place.parentNode.querySelector("textarea")?.remove();
    const area = element("textarea", text);
    area.readOnly = true;
    place.after(area);
    area.select();
    return "The text is selected: press Ctrl+C.";
  }
}
