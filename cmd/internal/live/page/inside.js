// What the selected run's network looks like inside, after the epoch that the user chooses: predictions, filters, histograms.

import { extent, scale, ticks } from "./chart.js";
import { byId, h, s } from "./dom.js";
import { percent, short } from "./format.js";
import { selectedRun } from "./store.js";

let look = { start: null, details: [] }; // what the server says of the run
let loaded = ""; // which run that is, and which of its looks
let chosen = null; // the epoch; null: the last

export function start() {
  byId("epoch").addEventListener("input", (event) => {
    const at = Number(event.target.value);
    chosen = at === look.details.length - 1 ? null : look.details[at].epoch;
    draw();
  });
}

// show fetches what is not there yet, and draws it.
export async function show() {
  const run = selectedRun();
  const wanted = run ? [run.number, run.details, run.start?.time].join(" ") : "";
  if (wanted === loaded) {
    return;
  }
  loaded = wanted;
  try {
    const answer = await fetch(`/runs/${run.number}`);
    const found = await answer.json();
    if (loaded !== wanted) { // the user has chosen another run since
      return;
    }
    look = { start: found.start, details: found.details ?? [] };
  } catch {
    loaded = ""; // the connection is lost; with it comes the next try
    return;
  }
  draw();
}

function draw() {
  byId("inside-run").textContent = selectedRun().name;
  const found = look.details.findIndex((detail) => detail.epoch === chosen);
  const at = found < 0 ? look.details.length - 1 : found;
  const detail = look.details[at];
  byId("inside-none").hidden = detail !== undefined;
  byId("when").hidden = look.details.length < 2;
  byId("epoch").max = Math.max(0, look.details.length - 1);
  byId("epoch").value = at;
  byId("epoch-shown").textContent = detail ? String(detail.epoch) : "";
  drawPredictions(detail);
  drawFilters(detail?.filters);
  drawHistograms(at);
}

function drawPredictions(detail) {
  const card = byId("predictions");
  card.hidden = !detail?.predictions?.length;
  if (!card.hidden) {
    const each = detail.predictions.map((prediction, i) => sample(look.start.samples[i], prediction));
    card.replaceChildren(h("h3", {}, "Predictions"), h("div", { class: "samples" }, ...each));
  }
}

function sample(known, prediction) {
  const alt = known.label === undefined ? "a sample" : `a sample of class ${known.label}`;
  const picture = h("img", { src: "data:image/png;base64," + known.picture, alt });
  const guesses = prediction.guesses ?? [];
  const right = guesses[0]?.class === known.label;
  const verdict = guesses.length === 0 ? "" : right ? "✓ " : "✗ ";
  const said = known.targets ? `${numbers(prediction.outputs)} for ${numbers(known.targets)}` : verdict + known.label;
  return h("figure", { class: guesses.length === 0 ? "" : right ? "right" : "wrong" }, picture,
    h("div", {}, h("figcaption", {}, said), h("ol", {}, ...guesses.slice(0, mostGuesses).map(guess))));
}

const mostGuesses = 3;

function numbers(values) {
  return (values ?? []).map(short).join(", ");
}

function guess({ class: name, share }) {
  const bar = h("meter", { min: 0, max: 1, value: share, "aria-hidden": "true" });
  return h("li", {}, h("span", { class: "name" }, name), bar, h("span", { class: "number" }, percent(share)));
}

function drawFilters(filters) {
  const card = byId("filters");
  card.hidden = !filters;
  if (card.hidden) {
    return;
  }
  const { layer, width, height, channels, pixels, of } = filters;
  const values = Uint8Array.from(atob(pixels), (c) => c.charCodeAt(0));
  const each = width * height * channels;
  const count = values.length / each;
  const tiles = [];
  for (let i = 0; i < count; i++) {
    tiles.push(filterPicture(values.subarray(i * each, (i + 1) * each), width, height, channels));
  }
  card.replaceChildren(h("h3", {}, `Filters of layer ${title(layer)}`),
    h("div", { class: "filters", role: "img", "aria-label": `${count} filters of ${width} by ${height}` }, ...tiles),
    h("p", { class: "note" }, `${count} of ${of}, ${width} × ${height}; each from its smallest weight to its largest.`));
}

// filterPicture draws planes of 0 to 255, one grey or three of colours.
function filterPicture(values, width, height, channels) {
  const canvas = h("canvas", { width, height });
  const picture = new ImageData(width, height);
  const size = width * height;
  for (let i = 0; i < size; i++) {
    for (let c = 0; c < 3; c++) {
      picture.data[4 * i + c] = values[Math.min(c, channels - 1) * size + i];
    }
    picture.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(picture, 0, 0);
  return canvas;
}

function drawHistograms(last) {
  const parameters = look.start?.parameters ?? [];
  byId("histograms").replaceChildren(...(last < 0 ? [] : parameters.map((name, i) => h("figure", { class: "card" },
    h("figcaption", {}, h("h3", {}, title(name.replace(/\.weight$/, "")))),
    h("div", { class: "pair" },
      ridges("Weights", "var(--training)", look.details.slice(0, last + 1), (detail) => detail.weights[i]),
      ridges("Gradients", "var(--validation)", look.details.slice(0, last + 1), (detail) => detail.gradients[i]))))));
}

// title is a layer's name with what it is.
function title(name) {
  const layer = look.start.layers?.find((one) => one.name === name);
  return layer ? `${name} (${layer.kind})` : name;
}

const most = 14; // histograms beneath one another
const ridge = { width: 240, height: 52, apart: 14, axis: 18 }; // pixels

// ridges draws histograms beneath one another, the newest in front.
function ridges(title, colour, details, of) {
  const every = Math.ceil(details.length / most);
  const shown = details.filter((detail, i) => of(detail) && (details.length - 1 - i) % every === 0)
    .map((detail) => ({ epoch: detail.epoch, ...of(detail) }));
  if (shown.length === 0) {
    return h("div", {}, h("h4", {}, title), h("p", { class: "note" }, "none"));
  }
  const newest = shown.at(-1);
  const x = scale(widened(extent(shown.flatMap(({ low, high }) => [low, high]))), [4, ridge.width - 4]);
  const floor = (i) => ridge.height + i * ridge.apart;
  const height = floor(shown.length - 1) + ridge.axis;
  const svg = s("svg", { viewBox: `0 0 ${ridge.width} ${height}`, role: "img",
    "aria-label": `${title} after epoch ${newest.epoch}: ${short(newest.low)} to ${short(newest.high)}, ${moments(newest)}` });
  shown.forEach((one, i) => svg.append(s("path", { class: "ridge", d: outline(one, x, floor(i)), fill: colour,
    "fill-opacity": 0.25 + 0.6 * (i + 1) / shown.length })));
  const axis = ticks(x, 4).map((v) => s("text", { x: x(v), y: height - 4, "text-anchor": "middle" }, short(v)));
  svg.append(s("g", { class: "axes" }, ...axis));
  return h("div", {}, h("h4", {}, title), svg, h("p", { class: "note" }, moments(newest)));
}

function moments({ mean, deviation }) {
  return `mean ${short(mean)}, deviation ${short(deviation)}`;
}

function widened([low, high]) {
  return low < high ? [low, high] : [low - 1e-6, high + 1e-6];
}

// outline is a histogram's shape, as high as its fullest bin.
function outline({ low, high, counts }, x, floor) {
  const top = Math.max(...counts);
  const width = (high - low) / counts.length || 1e-6;
  const points = counts.map((n, i) => `${x(low + (i + 0.5) * width).toFixed(1)},${(floor - ridge.height * n / top).toFixed(1)}`);
  return `M${x(low).toFixed(1)},${floor} L${points.join(" L")} L${x(low + counts.length * width).toFixed(1)},${floor} Z`;
}
