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
