// The numbers of the page, and how they are averaged and written.

const data = JSON.parse(document.getElementById("data").textContent);

const SPLITS = { train: "train", val: "validation", test: "test" };
const PERCENT = 100;

/** Return mean, low and high of values by seed: Student's t interval, none for a single seed. */
function estimate(values) {
  const mean = sum(values) / values.length;
  if (values.length < 2) return { mean, low: null, high: null };
  const variance = sum(values.map((value) => (value - mean) ** 2)) / (values.length - 1);
  const half = data.quantile * Math.sqrt(variance / values.length);
  return { mean, low: mean - half, high: mean + half };
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
