"""Record the learning rates of torch.optim.lr_scheduler, as the reference for Fovea's schedules.

Rerun (a second, no GPU):

    python -m venv VENV && VENV/bin/pip install torch
    VENV/bin/python scripts/record_schedules.py

Recorded with torch 2.15. Writes nn/schedule/testdata/torch.json: rows of a schedule as Fovea writes it, its warm-up, the
optimiser's rate, updates per epoch, updates in all, the validation losses of the epochs (plateau), and the rate of each update.

Warm-up is LinearLR(1/(W+1), total_iters=W): before cosine and one-cycle by SequentialLR, times the others by ChainedScheduler's
rule, for which each epoch's rate is recorded alone and multiplied.
"""

import json
import warnings
from pathlib import Path

import torch
from torch.optim import lr_scheduler as lr

warnings.simplefilter("ignore")
out = Path(__file__).resolve().parent.parent / "nn" / "schedule" / "testdata" / "torch.json"

PER_EPOCH, EPOCHS = 7, 12
TOTAL = PER_EPOCH * EPOCHS
LOSSES = [1.0, 0.9, 0.89995, 0.9, 0.91, 0.8, 0.85, 0.86, 0.87, 0.79999, 0.7999, 0.79985]


def optimiser(rate):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)


def per_step(rate, make, steps):
    """Rates of a scheduler that is advanced after each update."""
    o = optimiser(rate)
    s = make(o)
    rates = []
    for t in range(steps):
        rates.append(o.param_groups[0]["lr"])
        o.step()
        if t + 1 < steps:
            s.step()
    return rates


def per_epoch(rate, make):
    """Rates of a scheduler that is advanced after each epoch."""
    o = optimiser(rate)
    s = make(o)
    rates = []
    for e in range(EPOCHS):
        rates += [o.param_groups[0]["lr"]] * PER_EPOCH
        o.step()
        s.step(LOSSES[e]) if isinstance(s, lr.ReduceLROnPlateau) else s.step()
    return rates


def warmup(steps):
    ramp = per_step(1.0, lambda o: lr.LinearLR(o, 1 / (steps + 1), total_iters=steps), steps + 1)
    return lambda t: ramp[min(t, steps)]


rows = []


def row(schedule, rates, rate=0.1, warm="", total=TOTAL, losses=()):
    rows.append(dict(schedule=schedule, warmup=warm, rate=rate, per_epoch=PER_EPOCH, total=total, losses=list(losses), rates=rates))


for text, make, losses in [
    ("step:3,0.5", lambda o: lr.StepLR(o, 3, 0.5), ()),
    ("step", lambda o: lr.StepLR(o, 30, 0.1), ()),
    ("exponential:0.9", lambda o: lr.ExponentialLR(o, 0.9), ()),
    ("plateau:2,0.3", lambda o: lr.ReduceLROnPlateau(o, factor=0.3, patience=2), LOSSES),
    ("plateau:0,0.001", lambda o: lr.ReduceLROnPlateau(o, factor=0.001, patience=0), LOSSES),
]:
    plain = per_epoch(0.1, make)
    row(text, plain, losses=losses)
    for warm, steps in [("5", 5 * PER_EPOCH), ("10steps", 10)]:
        ramp = warmup(steps)
        row(text, [r * ramp(t) for t, r in enumerate(plain)], warm=warm, losses=losses)

for text, make in [
    ("cosine", lambda o, n: lr.CosineAnnealingLR(o, n)),
    ("cosine:0.01", lambda o, n: lr.CosineAnnealingLR(o, n, eta_min=0.1 * 0.01)),
]:
    row(text, per_step(0.1, lambda o: make(o, TOTAL), TOTAL))
    for warm, steps in [("2", 2 * PER_EPOCH), ("10steps", 10)]:
        row(text, per_step(0.1, lambda o: lr.SequentialLR(o, [lr.LinearLR(o, 1 / (steps + 1), total_iters=steps), make(o, TOTAL - steps)], [steps]), TOTAL), warm=warm)

for total in (TOTAL, 10, 4):
    row("one-cycle", per_step(0.1, lambda o: lr.OneCycleLR(o, 0.1, total_steps=total, cycle_momentum=False), total), total=total)
row("one-cycle:0.4", per_step(0.1, lambda o: lr.OneCycleLR(o, 0.4, total_steps=TOTAL, cycle_momentum=False), TOTAL))

out.parent.mkdir(exist_ok=True)
out.write_text("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]\n")
print(len(rows), "rows")
