// What is shown is the state of a form; the address bar's fragment keeps what differs from the start.

const form = document.getElementById("view");
const fields = [...form.elements].filter((field) => field.name);
const names = [...new Set(fields.map((field) => field.name))];
const atStart = readForm();

function readForm() {
  const filled = new FormData(form);
  return Object.fromEntries(names.map((name) => [name, filled.getAll(name).join(",")]));
}

/** Return the view: each choice by its name, and the networks chosen, in the order of the page. */
function readView() {
  const chosen = readForm();
  return { ...chosen, networks: chosen.network.split(",").filter(Boolean) };
}

/** Write the view into the address bar, without a step in the browser's history. */
function keepView() {
  const changed = Object.entries(readForm()).filter(([name, value]) => value !== atStart[name]);
  const fragment = new URLSearchParams(changed).toString().replaceAll("%2C", ",");
  try {
    history.replaceState(null, "", fragment ? `#${fragment}` : location.href.split("#")[0]);
  } catch {
    // A sandboxed frame may not change its address; the figures follow the form all the same.
  }
}

/** Set the form as the fragment says; what it does not name, or names wrongly, is as at the start. */
function restoreView() {
  const fragment = location.hash.slice(1);
  if (!fragment.includes("=")) return false;
  const wanted = { ...atStart, ...Object.fromEntries(new URLSearchParams(fragment)) };
  for (const name of names) {
    const options = fields.filter((field) => field.name === name);
    fill(options, wanted[name].split(","), atStart[name].split(","));
  }
  return true;
}

function fill(options, wanted, otherwise) {
  const [first] = options;
  if (first.tagName === "SELECT") {
    const exists = [...first.options].some((option) => option.value === wanted[0]);
    first.value = (exists ? wanted : otherwise)[0];
    return;
  }
  const exists = options.some((option) => wanted.includes(option.value));
  const mayBeEmpty = first.type === "checkbox" && wanted[0] === "";
  for (const option of options) {
    option.checked = (exists || mayBeEmpty ? wanted : otherwise).includes(option.value);
  }
}
