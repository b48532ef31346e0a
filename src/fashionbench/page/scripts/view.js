// The numbers of the page, and how they are averaged and written.

const data = JSON.parse(document.getElementById("data").textContent);
if (data.chosen) {
  // A character for each image, of which 0 is the first class: the keys of data.classes instead.
  const decode = (text) => [...text].map((one) => String(one.codePointAt(0) - "0".codePointAt(0)));
  const { chosen } = data;
  chosen.labels = decode(chosen.labels);
  for (const name in chosen.predictions) chosen.predictions[name] = decode(chosen.predictions[name]);
}

const SPLITS = { train: "train", val: "validation", test: "test" };
const PERCENT = 100;

/** Return mean, low and high of values by seed: Student's t interval, none for a single seed. */
function estimate(values) {
  const mean = sum(values) / values.length;
  if (values.length < 2) return { mean, low: null, high: null };
  const variance = sum(values.map((value) => (value - mean) ** 2)) / (values.length - 1);
  const half = data.quantiles[values.length] * Math.sqrt(variance / values.length);
  return { mean, low: mean - half, high: mean + half };
}

/** Return the seeds that two networks have in common, each with its place in the lists of both. */
function commonSeeds(first, second) {
  const [one, other] = [data.seeds[first], data.seeds[second]];
  const found = one.map((seed, place) => ({ seed, places: [place, other.indexOf(seed)] }));
  return found.filter(({ places }) => places[1] >= 0);
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}

/** Write a mean with its interval. */
function withInterval({ mean, low, high }, write) {
  return low === null ? write(mean) : `${write(mean)} [${write(low)}, ${write(high)}]`;
}

function signed(value, digits = 2) {
  // Typographic minus signs are not read as numbers by spreadsheets.
  return (value > 0 ? "+" : "") + value.toFixed(digits);
}

/** Write a p-value. */
function significance(p) {
  return p < 0.0001 ? "p < 0.0001" : `p = ${p.toPrecision(2)}`;
}

/**
 * Return how a score is drawn: its value on the axis, the axis, and the number in words.
 *
 * On a logarithmic axis accuracies are drawn as error rates, which are what shrinks.
 */
function measure(kind, split, scale) {
  const isAccuracy = kind === "accuracy";
  const isLog = scale === "log";
  const drawn = isAccuracy && isLog ? "error rate" : kind;
  return {
    place: (value) => {
      // Intervals may reach beyond what an accuracy can be; the axis need not.
      const share = Math.min(Math.max(value, 0), 1);
      const shown = isAccuracy ? PERCENT * (isLog ? 1 - share : share) : value;
      // A logarithmic axis has no place for zero and below.
      return isLog ? Math.max(shown, 0.01) : shown;
    },
    write: (value) => (isAccuracy ? (PERCENT * value).toFixed(2) : value.toFixed(4)),
    title: `${SPLITS[split]} ${drawn}${isAccuracy ? ", %" : ""}`,
    scale: isLog ? { type: "log", nice: true } : { zero: scale === "zero", nice: true },
    unit: isAccuracy ? "%" : "",
  };
}

// What is shown is the state of a form; the address bar's fragment keeps what differs from the start.

const form = document.getElementById("view");
const fields = [...form.elements].filter((field) => field.name);
const names = [...new Set(fields.map((field) => field.name))];
const atStart = readForm();

function readForm() {
  const filled = new FormData(form);
  return Object.fromEntries(names.map((name) => [name, filled.getAll(name).join(",")]));
}

/** Return the view: each choice by its name, and the networks chosen that have results in its arm. */
function readView() {
  const chosen = readForm();
  return { ...chosen, networks: chosen.network.split(",").filter((name) => isTrained(name, chosen.arm)) };
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
