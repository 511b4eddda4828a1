// A chart of lines against epochs, drawn as SVG as large as it is shown.

import { h, s } from "./dom.js";
import { short } from "./format.js";

const height = 220;
const mostPoints = 2000; // of a line: the chart has fewer pixels
const margin = { left: 56, right: 12, top: 8, bottom: 24 };

export class Chart {
  // format writes a value of the y axis.
  constructor(title, format = short) {
    this.title = title;
    this.clip = "clip-" + title.replaceAll(" ", "-");
    this.format = format;
    this.series = [];
    this.log = false;
    this.cursor = null; // the epoch that is pointed at
    this.legend = h("div", { class: "legend" });
    this.svg = s("svg", { role: "img", tabindex: 0, height });
    this.readout = h("p", { class: "readout", "aria-live": "polite" });
    this.element = h("figure", { class: "card", hidden: true }, h("figcaption", {}, h("h3", {}, title), this.legend), this.svg, this.readout);
    new ResizeObserver(() => this.draw()).observe(this.svg);
    this.svg.addEventListener("pointermove", (event) => this.point(this.x.back(event.offsetX)));
    this.svg.addEventListener("pointerleave", () => this.point(null));
    this.svg.addEventListener("keydown", (event) => this.key(event));
  }

  // show replaces the lines: each has a colour, points [x, y], a name unless its values are not read out, a legend, and may be
  // faint or have dots. Log is for a scale of positive numbers; robust lets the y axis leave outliers out.
  show(series, { log = false, robust = false } = {}) {
    this.series = series.filter((line) => line.points.length > 0);
    this.log = log;
    this.robust = robust && !log;
    this.element.hidden = this.series.length === 0;
    this.legend.replaceChildren(...this.series.filter((line) => line.legend).map((line) => h("span", {}, swatch(line), line.legend)));
    this.draw();
  }

  draw() {
    const width = this.svg.clientWidth;
    if (width === 0 || this.series.length === 0) {
      return;
    }
    const points = this.series.flatMap((line) => line.points).filter(([, y]) => !this.log || y > 0);
    if (points.length === 0) { // nothing of it is on a log scale
      this.svg.replaceChildren();
      return;
    }
    const values = points.map(([, y]) => y);
    const [low, high] = this.robust ? usual(values) : extent(values);
    this.x = scale(extent(points.map(([x]) => x).concat(0)), [margin.left, width - margin.right]);
    this.y = scale(this.log ? [low, high] : roomy(low, high), [height - margin.bottom, margin.top], this.log);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.setAttribute("aria-label", this.description());
    const clip = s("clipPath", { id: this.clip }, s("rect", { x: 0, y: margin.top - 4, width, height: height - margin.top - margin.bottom + 8 }));
    const lines = s("g", { "clip-path": `url(#${this.clip})` }, ...this.series.map((line) => this.line(line)));
    this.svg.replaceChildren(clip, this.axes(width), lines, this.mark());
  }

  axes(width) {
    const group = s("g", { class: "axes" });
    for (const y of ticks(this.y, 4)) {
      const at = this.y(y);
      group.append(s("line", { x1: margin.left, x2: width - margin.right, y1: at, y2: at }),
        s("text", { x: margin.left - 6, y: at + 4, "text-anchor": "end" }, this.format(y)));
    }
    for (const x of ticks(this.x, Math.max(2, width / 90))) {
      group.append(s("text", { x: this.x(x), y: height - 6, "text-anchor": "middle" }, short(x)));
    }
    return group;
  }

  line(line) {
    const every = Math.ceil(line.points.length / mostPoints);
    const shown = line.points.filter((_, i) => i % every === 0 || i === line.points.length - 1)
      .filter(([, y]) => !this.log || y > 0)
      .map(([x, y]) => [this.x(x).toFixed(1), this.y(y).toFixed(1)]);
    const group = s("g", { class: line.faint ? "faint" : null, stroke: line.colour, fill: line.colour });
    group.append(s("polyline", { points: shown.join(" "), fill: "none" }));
    if (line.dots && shown.length <= 60 || shown.length === 1) {
      group.append(...shown.map(([cx, cy]) => s("circle", { cx, cy, r: 2.5 })));
    }
    return group;
  }

  // mark is the line at the cursor.
  mark() {
    const at = this.cursor === null ? -1 : this.x(this.cursor);
    return s("line", { class: "cursor", x1: at, x2: at, y1: margin.top, y2: height - margin.bottom });
  }

  // point reads the values nearest to an epoch out; null takes them away.
  point(x) {
    if (!this.x) {
      return;
    }
    this.cursor = x === null ? null : Math.min(Math.max(x, this.x.low), this.x.high);
    this.svg.querySelector(".cursor")?.replaceWith(this.mark());
    this.readout.textContent = this.cursor === null ? "" : `epoch ${short(this.cursor)}: ` + this.values(this.cursor).join(" · ");
  }

  values(x) {
    return this.series.filter((line) => line.name).map((line) => `${line.name} ${this.format(nearest(line.points, x)[1])}`);
  }

  key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step && this.x) {
      event.preventDefault();
      this.point((this.cursor ?? this.x.high) + step * (this.x.high - this.x.low) / 40);
    } else if (event.key === "Escape") {
      this.point(null);
    }
  }

  description() {
    return `${this.title}: ` + this.values(Infinity).join(", ") + ". The arrow keys read values.";
  }
}

// swatch is a line's colour in a legend.
function swatch(line) {
  const mark = h("i", { class: line.faint ? "swatch faint" : "swatch" });
  mark.style.color = line.colour;
  return mark;
}

export function extent(values) {
  let low = Infinity, high = -Infinity;
  for (const v of values) {
    low = Math.min(low, v);
    high = Math.max(high, v);
  }
  return [low, high];
}

// usual is the extent of all but the smallest and the largest 2 % of values, where there are many.
function usual(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const cut = sorted.length < 50 ? 0 : Math.floor(sorted.length / 50);
  return [sorted[cut], sorted[sorted.length - 1 - cut]];
}

// roomy leaves a little room above and below.
function roomy(low, high) {
  const room = high > low ? (high - low) / 20 : Math.abs(high) || 1;
  return [low >= 0 ? Math.max(0, low - room) : low - room, high + room];
}

// scale makes pixels of values; back is its inverse.
export function scale([low, high], [from, to], log = false) {
  const f = log ? Math.log : (v) => v;
  const inverse = log ? Math.exp : (v) => v;
  const width = f(high) - f(low) || 1;
  const at = (v) => from + (f(v) - f(low)) / width * (to - from);
  at.back = (pixel) => inverse(f(low) + (pixel - from) / (to - from) * width);
  return Object.assign(at, { low, high, log });
}

// ticks are about n round values: multiples of 1, 2 or 5 times a power of ten; on a log scale those times powers of ten.
export function ticks({ low, high, log }, n) {
  const all = [];
  if (log) {
    const decades = Math.log10(high / low);
    const factors = decades < 1.5 ? [1, 2, 3, 5, 7] : decades < 4 ? [1, 3] : [1];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
      all.push(...factors.map((factor) => factor * 10 ** power));
    }
    return all.filter((v) => v >= low && v <= high);
  }
  const rough = (high - low || 1) / n;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((m) => m * power >= rough);
  for (let i = Math.ceil(low / step); i * step <= high; i++) {
    all.push(i * step);
  }
  return all;
}

// nearest is the point whose x is nearest; points are in the order of x.
function nearest(points, x) {
  let a = 0, b = points.length - 1;
  while (b - a > 1) {
    const middle = (a + b) >> 1;
    if (points[middle][0] <= x) {
      a = middle;
    } else {
      b = middle;
    }
  }
  return Math.abs(points[a][0] - x) <= Math.abs(points[b][0] - x) ? points[a] : points[b];
}
