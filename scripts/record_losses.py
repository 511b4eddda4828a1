"""Record steps of training in PyTorch with label smoothing, class weights, mixed labels and clipped gradients, as the
reference for nn/fit.

Rerun (a second, no GPU):

    python -m venv VENV && VENV/bin/pip install torch
    VENV/bin/python scripts/record_losses.py

Recorded with torch 2.15 (CPU), in float64. Writes nn/fit/testdata/losses.json: the samples, their labels, the labels they are
mixed with, the first weights, and of each case the loss before each of three SGD updates and the weights after them. Samples
and first weights are numbers that float32 holds exactly.

A mixed batch has the loss of the mixup paper's code: share * criterion(y, labels) + (1 - share) * criterion(y, others).
"""

import itertools
import json
from pathlib import Path

import torch

out = Path(__file__).resolve().parent.parent / "nn" / "fit" / "testdata" / "losses.json"

SAMPLES, FEATURES, HIDDEN, CLASSES, STEPS, RATE = 7, 5, 4, 3, 3, 0.25

torch.manual_seed(1)


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float32).double()


x = draw(SAMPLES, FEATURES)
labels = torch.tensor([0, 2, 1, 2, 2, 0, 2])
others = labels.roll(1)
first = {"1.weight": draw(HIDDEN, FEATURES), "1.bias": draw(HIDDEN), "3.weight": draw(CLASSES, HIDDEN), "3.bias": draw(CLASSES)}


def flat(tensors):
    return {name: t.detach().flatten().tolist() for name, t in tensors.items()}


def steps(smoothing, weights, clip, share):
    params = {name: t.clone().requires_grad_() for name, t in first.items()}
    criterion = torch.nn.CrossEntropyLoss(torch.tensor(weights, dtype=torch.float64) if weights else None, label_smoothing=smoothing)
    optimiser = torch.optim.SGD(params.values(), lr=RATE)
    losses = []
    for _ in range(STEPS):
        y = torch.relu(x @ params["1.weight"].T + params["1.bias"]) @ params["3.weight"].T + params["3.bias"]
        loss = share * criterion(y, labels) + (1 - share) * criterion(y, others)
        optimiser.zero_grad()
        loss.backward()
        if clip:
            torch.nn.utils.clip_grad_norm_(params.values(), clip)
        optimiser.step()
        losses.append(loss.item())
    return dict(smoothing=smoothing, weights=weights, clip=clip, share=share, losses=losses, after=flat(params))


cases = [steps(*row) for row in itertools.product((0.0, 0.1, 0.6), ([], [0.5, 3.0, 1.25]), (0.0, 0.2, 50.0), (1.0, 0.7))]
out.parent.mkdir(exist_ok=True)
header = dict(rate=RATE, sample=FEATURES, hidden=HIDDEN, classes=CLASSES, x=x.flatten().tolist(), labels=labels.tolist(), others=others.tolist(), first=flat(first))
text = ",\n".join(json.dumps(c) for c in cases)
out.write_text(json.dumps(header)[:-1] + ', "cases": [\n' + text + "\n]}\n")
print(len(cases), "cases")
