// Tables that sort and filter, and that copy what they show.

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
      said.textContent = await copy(write(shownCells(table)), `${format} is on the clipboard.`);
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
  return rows.map((row) => row.map(quote).join(",")).join("\n");
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

/** Put a text on the clipboard; return what to tell. */
async function copy(text, done) {
  try {
    await navigator.clipboard.writeText(text);
    return done;
  } catch {
    return "This browser does not let the page use the clipboard.";
  }
}
