// The curves: which lines each chart has.

import { Chart } from "./chart.js";
import { byId } from "./dom.js";
import { short, whole } from "./format.js";
import { visibleRuns } from "./store.js";

const charts = {
  loss: new Chart("Loss"),
  accuracy: new Chart("Accuracy", percentAxis),
  rate: new Chart("Learning rate", short),
  speed: new Chart("Images per second", whole),
  memory: new Chart("Memory in MiB", whole),
};

// In one run training and validation differ by colour; of several runs each has a colour, and training is faint.
const training = "var(--training)", validation = "var(--validation)";

function percentAxis(value) {
  return short(100 * value) + "%";
}

export function start() {
  byId("curves").append(...Object.values(charts).map((chart) => chart.element));
  for (const id of ["smoothing", "outliers", "log"]) {
    byId(id).addEventListener("input", show);
  }
}

export function show() {
  const runs = visibleRuns();
  const several = runs.length > 1;
  const smoothing = Number(byId("smoothing").value);
  const robust = byId("outliers").checked;
  const measure = several ? compared : alone;
  charts.loss.show(runs.flatMap((run) => measure(run, smoothing, "loss", "train_loss", "val_loss")), { log: byId("log").checked, robust });
  charts.accuracy.show(runs.flatMap((run) => measure(run, smoothing, "accuracy", "train_accuracy", "val_accuracy")), { robust });
  const one = (of) => runs.map((run) => several ? { name: run.name, legend: run.name, colour: run.colour, points: of(run) }
    : { name: "training", colour: training, points: of(run) });
  charts.rate.show(one((run) => along(run, "lr")));
  charts.speed.show(one((run) => smoothed(along(run, "images_per_second"), smoothing)), { robust });
  charts.memory.show(several ? one((run) => mebibytes(run, "resident_bytes")) : runs.flatMap((run) => [
    { name: "process", legend: "process", colour: training, points: mebibytes(run, "resident_bytes") },
    { name: "device", legend: "device", colour: validation, points: mebibytes(run, "device_bytes") },
  ]));
}

// alone are the lines of a run that is shown by itself: training as it was and smoothed, and validation.
function alone(run, smoothing, step, epochTraining, epochValidation) {
  const exact = points(run.steps, "epoch", step);
  return [
    { colour: training, points: smoothing > 0 ? exact : [], faint: true },
    { ...trained(run, smoothing, step, epochTraining), name: "training", legend: "training", colour: training },
    { name: "validation", legend: "validation", colour: validation, points: points(run.epochs, "epoch", epochValidation), dots: true },
  ];
}

// compared are the lines of a run among several.
function compared(run, smoothing, step, epochTraining, epochValidation) {
  const { name, colour } = run;
  return [
    { ...trained(run, smoothing, step, epochTraining), name: name + " training", colour, faint: true },
    { name: name + " validation", legend: name, colour, points: points(run.epochs, "epoch", epochValidation), dots: true },
  ];
}

// trained is training by steps, smoothed, or where those were not recorded by epochs.
function trained(run, smoothing, step, epoch) {
  const steps = points(run.steps, "epoch", step);
  return steps.length > 0 ? { points: smoothed(steps, smoothing) } : { points: points(run.epochs, "epoch", epoch), dots: true };
}

// along are a field's values by steps, or where there are no steps by epochs.
function along(run, field) {
  const steps = points(run.steps, "epoch", field);
  return steps.length > 0 ? steps : points(run.epochs, "epoch", field);
}

function mebibytes(run, field) {
  return points(run.steps, "epoch", field).map(([x, y]) => [x, y / 2 ** 20]);
}

function points(records, x, y) {
  return records.filter((record) => record[y] !== undefined).map((record) => [record[x], record[y]]);
}

// smoothed is the exponential moving average, whose first values are not drawn to 0 (Kingma and Ba 2015, section 3).
function smoothed(all, weight) {
  let mean = 0, share = 0;
  return all.map(([x, y]) => {
    mean = weight * mean + (1 - weight) * y;
    share = weight * share + (1 - weight);
    return [x, mean / share];
  });
}
