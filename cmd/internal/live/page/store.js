// What the server has told of each run.

// Colours of the runs, in turn: told apart on light and dark grounds, and by people who see red and green alike.
const colours = ["#3b82f6", "#f59e0b", "#10b981", "#ec4899", "#8b5cf6", "#06b6d4", "#ef4444", "#84cc16"];

// A run that is read from a folder, and of which nothing was written for so many seconds, does not go on any more.
const quiet = 120;

export const store = {
  runs: new Map(), // by number
  selected: 0, // the run whose inside is shown
};

// apply takes changes as the server sends them. The first of a connection are all the runs that there are.
export function apply(changes, first) {
  if (first) {
    const known = new Set(changes.map((change) => change.run));
    for (const number of store.runs.keys()) {
      if (!known.has(number)) {
        store.runs.delete(number);
      }
    }
  }
  for (const change of changes) {
    const run = store.runs.get(change.run) ??
      { number: change.run, visible: true, colour: colours[change.run % colours.length], version: 0, steps: [], epochs: [] };
    store.runs.set(change.run, run);
    if (change.reset) {
      Object.assign(run, { start: change.start, version: run.version + 1, steps: [], epochs: [] });
    }
    run.steps.push(...change.steps ?? []);
    run.epochs.push(...(change.epochs ?? []).map((epoch) => ({ ...epoch, number: epoch.epoch, epoch: place(epoch, run.start) })));
    const { name, details, progress, done, end, problem, written } = change;
    Object.assign(run, { name, details, progress, done, end, problem, written });
  }
}

// place is where an epoch stands among the steps: one that was cut ends before the whole number.
function place(epoch, start) {
  return start ? epoch.step / start.epoch_steps : epoch.epoch;
}

export function selectedRun() {
  return store.runs.get(store.selected);
}

export function visibleRuns() {
  return [...store.runs.values()].filter((run) => run.visible);
}

// stateOf says how a run goes, or went.
export function stateOf(run) {
  if (run.end) {
    return run.end.state;
  }
  if (run.done) {
    return "done";
  }
  const epoch = run.epochs.at(-1)?.seconds ?? 0;
  const silence = run.written ? Date.now() / 1000 - run.written : 0;
  return silence > Math.max(quiet, 3 * epoch) ? "unfinished" : "running";
}

// best is the epoch of the least validation loss, or without validation of the least training loss.
export function best(run) {
  const validated = run.epochs.filter((epoch) => epoch.val_loss !== undefined);
  const [epochs, of] = validated.length > 0 ? [validated, (epoch) => epoch.val_loss] : [run.epochs, (epoch) => epoch.train_loss];
  return epochs.reduce((least, epoch) => (least && of(least) <= of(epoch) ? least : epoch), null);
}
