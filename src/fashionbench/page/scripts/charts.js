// A chart: drawn by Vega-Lite, and explored by pointer, by touch and by arrow keys.

const NEAR = 40; // pixels

const CONFIG = {
  background: null,
  font: "system-ui, sans-serif",
  view: { stroke: null },
  axis: {
    labelColor: "currentColor",
    titleColor: "currentColor",
    domainColor: "currentColor",
    tickColor: "currentColor",
    gridColor: "currentColor",
    gridOpacity: 0.15,
    labelFontSize: 12,
    titleFontSize: 12,
    titleFontWeight: "normal",
    labelLimit: 130,
  },
};
const OPTIONS = {
  // An interpreter in place of generated code, which the page's policy forbids.
  ast: true,
  actions: false,
  defaultStyle: false,
  renderer: "svg",
  tooltip: false,
  config: CONFIG,
};

/** A chart in a container that holds .plot, to be drawn in, and output, for the point looked at. */
class Chart {
  constructor(id) {
    this.container = document.getElementById(id);
    this.plot = this.container.querySelector(".plot");
    this.readout = this.container.querySelector("output");
    this.points = [];
    this.current = null;
    this.plot.addEventListener("pointermove", (event) => this.showNearest(event));
    this.plot.addEventListener("pointerdown", (event) => this.showNearest(event));
    this.plot.addEventListener("pointerleave", () => this.show(null));
    this.plot.addEventListener("blur", () => this.show(null));
    this.plot.addEventListener("keydown", (event) => this.step(event));
  }

  /** Draw a specification, or write a text where there is nothing to draw. */
  async draw(spec) {
    this.show(null);
    this.drawn?.finalize();
    this.drawn = null;
    this.points = [];
    this.plot.tabIndex = typeof spec === "string" ? -1 : 0;
    if (typeof spec === "string") {
      this.plot.textContent = spec;
      return;
    }
    this.drawn = await vegaEmbed(this.plot, spec, OPTIONS);
    this.points = [...this.plot.querySelectorAll(".mark-symbol path")].map((node) => ({
      node,
      ...node.__data__.datum,
    }));
  }

  /** Show a point's words and mark it; null to stop. */
  show(point) {
    if (point === this.current) return;
    this.current?.node.classList.remove("current");
    point?.node.classList.add("current");
    this.current = point;
    this.readout.textContent = point ? point.words : "";
  }

  showNearest({ clientX, clientY }) {
    let [nearest, least] = [null, NEAR];
    for (const point of this.points) {
      const box = point.node.getBoundingClientRect();
      const away = Math.hypot(
        clientX - (box.left + box.right) / 2,
        clientY - (box.top + box.bottom) / 2,
      );
      if (away < least) [nearest, least] = [point, away];
    }
    this.show(nearest);
  }

  /** Left and right go along a series, up and down to another series at the same place. */
  step(event) {
    const moves = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
    if (event.key === "Escape") this.show(null);
    if (!(event.key in moves) || !this.points.length) return;
    event.preventDefault();
    const [across, along] = moves[event.key];
    this.show(this.current ? this.neighbour(across, along) : this.points[0]);
  }

  neighbour(across, along) {
    const { series, place } = this.current;
    const all = [...new Set(this.points.map((point) => point.series))];
    const wanted = all[all.indexOf(series) + across];
    const found = this.points.find(
      (point) => point.series === wanted && point.place === place + along,
    );
    return found ?? this.current;
  }
}

// The specifications of the charts: functions of a view.

const SHAPES = [
  "circle", "square", "diamond", "cross", "triangle-up", "triangle-down", "triangle-right", "triangle-left",
];
const BY_NETWORK = {
  color: {
    field: "network",
    scale: { domain: data.networks, range: data.colours },
    legend: null,
  },
  shape: {
    field: "network",
    scale: { domain: data.networks, range: data.networks.map((_, i) => SHAPES[i % SHAPES.length]) },
    legend: null,
  },
};
const POINT = { type: "point", filled: true, size: 45, opacity: 1 };
const WORDS = { field: "words", type: "nominal" };
const NOTHING = "No network is chosen.";

/** Return one row per mean with its interval, or one per replicate. */
function toRows(view, bySeed, how, { words, ...row }, seeds = data.seeds[row.network]) {
  if (view.show === "seeds") {
    return bySeed.map((value, index) => ({
      ...row,
      seed: seeds[index],
      value: how.place(value),
      words: `${words}, seed ${seeds[index]}: ${how.write(value)}${how.unit}`,
    }));
  }
  const found = estimate(bySeed);
  const hasInterval = found.low !== null;
  return [
    {
      ...row,
      value: how.place(found.mean),
      low: hasInterval ? how.place(found.low) : null,
      high: hasInterval ? how.place(found.high) : null,
      words: `${words}: ${withInterval(found, how.write)}${how.unit}`,
    },
  ];
}

/** Learning curves. Test images have none: they are scored after the last epoch only. */
function drawCurves(view, networks = view.networks) {
  if (view.split === "test") {
    return "Test images are scored only after the last epoch: there is no curve. The other figures have the scores.";
  }
  if (!networks.length) return NOTHING;
  const how = measure(view.kind, view.split, view.scale);
  const rows = networks.flatMap((network) => curveRows(view, network, how));
  const value = { field: "value", type: "quantitative", title: how.title, scale: how.scale };
  // With shapes, lines and areas would have points of their own.
  const line = { type: "line", aria: false, strokeWidth: view.show === "seeds" ? 1 : 2 };
  const band = { type: "area", aria: false, opacity: 0.15 };
  return {
    ...figure(`Learning curves: ${how.title} by epoch`, rows, 300),
    encoding: {
      x: { field: "epoch", type: "quantitative", title: "epoch", scale: { zero: false, nice: false }, axis: { tickMinStep: 1, format: "d", labelOverlap: true } },
      y: value,
      ...BY_NETWORK,
    },
    layer: [
      ...(view.show === "mean"
        ? [{ mark: band, encoding: { y: { ...value, field: "low" }, y2: { field: "high" }, shape: null } }]
        : []),
      { mark: line, encoding: { shape: null, detail: { field: "series" } } },
      { mark: { ...POINT, size: view.show === "seeds" ? 12 : 30 }, encoding: { description: WORDS } },
    ],
  };
}

function curveRows(view, network, how) {
  const curves = data.arms[view.arm].curves[network][`${view.split}_${view.kind}`];
  return curves[0].flatMap((_, index) => {
    const epoch = index + 1;
    const words = `${network}, epoch ${epoch}`;
    const row = { network, epoch, place: index, words };
    return toRows(view, curves.map((curve) => curve[index]), how, row).map((one) => ({
      ...one,
      series: view.show === "seeds" ? `${network} ${one.seed}` : network,
    }));
  });
}

/** Scores after the last epoch, in evaluation mode. */
function drawScores(view) {
  if (!view.networks.length) return NOTHING;
  const how = measure(view.kind, view.split, view.scale);
  const rows = view.networks.flatMap((network) =>
    places(toRows(view, scoresOf(view, network)[view.kind], how, { network, series: network, words: network })),
  );
  const spec = dots(`Scores after the last epoch: ${how.title}`, rows, how, {
    y: { field: "network", type: "nominal", sort: null, title: null },
  });
  return { ...spec, height: 30 * view.networks.length };
}

/** Accuracy on the images of each class. */
function drawClasses(view, networks = view.networks) {
  if (!networks.length) return NOTHING;
  const how = measure("accuracy", view.split, view.scale);
  const rows = networks.flatMap((network) =>
    data.classes.flatMap((name, place) =>
      toRows(view, scoresOf(view, network).classes[place], how, {
        network, name, series: network, place, words: `${network}, ${name}`,
      }),
    ),
  );
  const spec = dots(`Accuracy by class: ${how.title}`, rows, how, {
    y: { field: "name", type: "nominal", sort: null, title: null, axis: { grid: true, tickBand: "extent" } },
    yOffset: { field: "network", sort: networks },
  });
  return { ...spec, height: data.classes.length * (12 + 9 * networks.length) };
}

/** Scores against the number of parameters. */
function drawCosts(view) {
  if (!view.networks.length) return NOTHING;
  const how = measure(view.kind, view.split, view.scale);
  const rows = view.networks.flatMap((network) => {
    const { parameters, teraflop } = data.costs[network];
    const words = `${network}, ${parameters.toLocaleString("en")} parameters, ${teraflop} trillion operations`;
    const row = { network, parameters, series: network, words };
    return places(toRows(view, scoresOf(view, network)[view.kind], how, row));
  });
  const value = { field: "value", type: "quantitative", title: how.title, scale: how.scale };
  return {
    ...figure(`Scores and costs: ${how.title} against parameters`, rows, 300),
    encoding: {
      x: {
        field: "parameters", type: "quantitative", title: "parameters",
        scale: { type: "log", nice: true, padding: 12 }, axis: { format: "~s", tickCount: 4 },
      },
      ...BY_NETWORK,
    },
    layer: [
      ...interval(view, { y: { ...value, field: "low" }, y2: { field: "high" } }),
      { mark: POINT, encoding: { y: value, description: WORDS } },
    ],
  };
}

/** Difference by class of two networks, seed by seed: first minus second. */
function drawDifference(view) {
  const missing = missingOf(view);
  if (missing) return missing;
  const how = { place: (x) => PERCENT * x, write: (x) => signed(PERCENT * x), unit: " points" };
  const [one, other] = [view.first, view.second].map((name) => scoresOf(view, name).classes);
  const common = commonSeeds(view.first, view.second);
  if (!common.length) return "These two networks have no seed in common.";
  const rows = data.classes.flatMap((name, place) =>
    toRows(
      view,
      common.map(({ places: [a, b] }) => one[place][a] - other[place][b]),
      how,
      { network: view.first, name, series: "difference", place, words: name },
      common.map(({ seed }) => seed),
    ),
  );
  const title = `${SPLITS[view.split]} accuracy, ${view.first} minus ${view.second}, points`;
  const spec = dots(`Difference by class: ${title}`, rows, { title: title.split(", "), scale: { zero: true } }, {
    y: { field: "name", type: "nominal", sort: null, title: null },
  });
  const zero = {
    mark: { type: "rule", aria: false, color: "currentColor" },
    encoding: { x: { datum: 0 }, y: null, color: null, shape: null },
  };
  return { ...spec, height: 26 * data.classes.length, layer: [zero, ...spec.layer] };
}

function scoresOf(view, network) {
  return data.arms[view.arm].scores[network][view.split];
}

/** Tell whether an arm has results of a network. */
function isTrained(network, arm) {
  return network in data.arms[arm].scores;
}

/** Number the rows of a series, for the arrow keys. */
function places(rows) {
  return rows.map((row, place) => ({ ...row, place }));
}

function figure(description, values, height) {
  return {
    description,
    width: "container",
    height,
    data: { values },
  };
}

/** Dots with intervals on a horizontal axis. */
function dots(description, rows, how, encoding) {
  const value = { field: "value", type: "quantitative", title: how.title, scale: how.scale };
  return {
    ...figure(description, rows),
    encoding: { ...encoding, ...BY_NETWORK },
    layer: [
      ...interval({ show: rows[0].low === undefined ? "seeds" : "mean" }, {
        x: { ...value, field: "low" }, x2: { field: "high" },
      }),
      { mark: POINT, encoding: { x: value, description: WORDS } },
    ],
  };
}

function interval(view, encoding) {
  if (view.show === "seeds") return [];
  return [{ mark: { type: "rule", aria: false, strokeWidth: 2 }, encoding: { ...encoding, shape: null } }];
}
