// The runs, where the running one stands, the epochs in numbers, the network.

import { byId, h, renew, table } from "./dom.js";
import { duration, loss, percent, short, whole } from "./format.js";
import { best, selectedRun, stateOf, store } from "./store.js";

const words = {
  running: "training", done: "done", interrupted: "interrupted", diverged: "diverged", failed: "failed", unfinished: "unfinished",
};

// showRuns makes a line for each run. changed is called when the user has chosen what is shown.
export function showRuns(changed) {
  const runs = [...store.runs.values()];
  const shown = (run) => [run.name, run.visible, run.number === store.selected, stateOf(run), facts(run), run.end, run.problem];
  const key = JSON.stringify(runs.map(shown));
  renew(byId("runs"), key, () => runs.map((run) => runLine(run, runs.length > 1, changed)));
}

function runLine(run, several, changed) {
  const state = stateOf(run);
  const visible = h("input", { id: `run-visible-${run.number}`, type: "checkbox", "aria-label": `Show the curves of ${run.name}`,
    onchange: (event) => { run.visible = event.target.checked; changed(); } });
  visible.checked = run.visible;
  visible.style.accentColor = run.colour;
  const choose = h("button", { id: `run-choose-${run.number}`, type: "button", "aria-pressed": String(run.number === store.selected),
    onclick: () => { store.selected = run.number; changed(); } }, run.name);
  return h("div", { class: "run card", "data-state": state },
    several ? visible : null,
    several ? choose : h("h2", {}, run.name),
    h("span", { class: `state ${state}` }, words[state] ?? state),
    h("span", { class: "facts" }, facts(run)),
    run.end?.message && state !== "done" ? h("p", { class: state === "interrupted" ? "note" : "problem" }, run.end.message) : null,
    run.problem ? h("p", { class: "problem" }, "The folder cannot be read any more: " + run.problem) : null);
}

function facts(run) {
  const parts = [];
  if (run.start) {
    parts.push(run.start.model);
  }
  const least = best(run);
  if (least) {
    const of = least.val_loss === undefined ? "training" : "validation";
    const accuracy = least.val_loss === undefined ? least.train_accuracy : least.val_accuracy;
    const share = accuracy === undefined ? "" : ` (${percent(accuracy)})`;
    parts.push(`best ${of} loss ${loss(least.val_loss ?? least.train_loss)}${share} in epoch ${least.number}`);
  }
  if (run.done?.test_accuracy !== undefined) {
    parts.push(`test accuracy ${percent(run.done.test_accuracy)}`);
  } else if (run.done?.test_loss !== undefined) {
    parts.push(`test loss ${loss(run.done.test_loss)}`);
  }
  return parts.join(" · ");
}

// showNow shows where the selected run stands while it runs.
export function showNow() {
  const run = selectedRun();
  const now = run?.progress;
  const section = byId("now");
  section.hidden = !now || stateOf(run) !== "running";
  document.title = [section.hidden ? "" : `${Math.floor(100 * now.done)}%`, run?.name ?? "", "Fovea"].filter(Boolean).join(" · ");
  if (section.hidden) {
    return;
  }
  const tile = (name, value) => h("div", { class: "tile" }, h("span", {}, name), h("strong", {}, value));
  const bar = h("progress", { max: 1, value: now.done, "aria-label": "Share of the training that is done" });
  section.replaceChildren(bar, h("div", { class: "tiles" },
    tile("Epoch", `${now.epoch} of ${run.start.epochs}`),
    tile("Step", `${whole(now.step)} of ${whole(now.steps)}`),
    tile("Time left", duration(now.seconds_left)),
    tile("Loss", loss(now.loss)),
    now.accuracy === undefined ? null : tile("Accuracy", percent(now.accuracy)),
    tile("Images per second", whole(now.images_per_second)),
    tile("Learning rate", short(now.lr))));
}

export function showEpochs() {
  const run = selectedRun();
  const card = byId("epochs");
  card.hidden = !run || run.epochs.length === 0;
  if (card.hidden) {
    return;
  }
  renew(card, [run.number, run.version, run.epochs.length].join(), () => epochs(run));
}

const mostRows = 500;

function epochs(run) {
  const number = (title) => ({ title, number: true });
  const columns = ["Epoch", "Updates", "Learning rate", "Training loss", "Training accuracy", "Validation loss", "Validation accuracy",
    "Images/s", "Seconds"];
  const rows = run.epochs.slice(-mostRows).map((e) => [String(e.number) + (e.partial ? " (cut)" : ""), whole(e.step), short(e.lr),
    loss(e.train_loss), percent(e.train_accuracy),
    loss(e.val_loss), percent(e.val_accuracy), whole(e.images_per_second), e.seconds.toFixed(1)]);
  return [h("h3", {}, `Epochs of ${run.name}`), table("Epochs", columns.map(number), rows.reverse())];
}

export function showNetwork() {
  const run = selectedRun();
  const start = run?.start;
  const card = byId("network");
  card.hidden = !start;
  if (card.hidden) {
    return;
  }
  renew(card, [run.number, run.version].join(), () => layers(start));
}

function layers(start) {
  const columns = [{ title: "Layer" }, { title: "Type" }, { title: "Output" },
    { title: "Parameters", number: true }, { title: "Multiply-adds", number: true }];
  const all = start.layers ?? [];
  const rows = all.map((l) => [l.name + (l.auxiliary ? " (auxiliary)" : ""), l.kind, (l.output ?? []).join(" × "),
    whole(l.parameters), whole(l.multiply_adds)]);
  const total = all.reduce((sum, l) => sum + l.parameters, 0);
  const facts = (start.facts ?? []).map((line) => h("p", {}, line));
  return [h("h3", {}, `Network ${start.model}: ${whole(total)} parameters`), ...facts, table("Layers", columns, rows)];
}
