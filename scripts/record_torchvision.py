"""Record what torchvision's networks compute, as the reference for Fovea's.

Rerun (about ten minutes on 2 cores and 5 GiB of memory, no GPU):

    VENV/bin/python scripts/record_torchvision.py            # VENV has torch, torchvision, safetensors and numpy
    VENV/bin/python scripts/record_torchvision.py resnet18   # these networks alone, the others' recordings kept
    VENV/bin/python scripts/record_torchvision.py --seeds 40 resnet18   # write nothing, print how good input seeds are

Recorded with Python 3.11.7, torch 2.15.0, torchvision 0.29.0. A rerun gives the same numbers but for the last digits.

Weights, pictures and labels are functions of a name and an index that nn/zoo/torchvision_test.go computes too (words, below),
so no weights are kept. Files, in nn/zoo/testdata:

  torchvision.json         state: the names and shapes of each network's state dictionary (1000 classes), without
                           num_batches_tracked, in its order; cases: sizes, seeds, and how far PyTorch in float32 is from
                           PyTorch in float64, relative in norm: logits, gradients (all parameters together, in three ways: NCHW,
                           channels_last, and without oneDNN, since these differ from each other by up to 100 times)
  torchvision.safetensors  of each network, from PyTorch in float64:
      NAME/full        logits [1, 1000] in evaluation mode of a picture of the size that the network was designed for
      NAME/logits      logits in evaluation mode of a small batch, with 10 classes
      NAME/loss        mean cross-entropy of that batch before each of 20 steps of SGD in training mode (rate as in the case,
                       momentum 0.9, weight decay 5e-4)
      NAME/gradients   a row for each parameter, of the first step's gradient; a row is its norm and 8 sums with random signs
      NAME/weights     a row for each entry of the state dictionary after the 20 steps

Eight sums with random signs stand for a whole array: the mean square of the differences of two arrays' sums is an
unbiased estimate of the squared norm of the arrays' difference.

VGG's hidden layers have 256 features instead of 4096 but in NAME/full. Dropout takes Fovea's masks (Philox), numbered in the
order of the forward pass. GoogLeNet's loss in training is main + 0.3 (aux1 + aux2). The three MNIST networks, which torchvision does not have, are
those of the lecture.
"""

import argparse
import json
import sys
import zlib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from safetensors.numpy import load_file, save_file
from torch import nn

from record_pytorch import keep_mask, philox

FOLDER = Path(__file__).resolve().parent.parent / "nn" / "zoo" / "testdata"
CLASSES, STEPS, SIGNS, HIDDEN = 10, 20, 8, 256

# Side and batch of the small pictures, the seed of their content, the learning rate. The seeds keep each ReLU's input as
# far from zero as was found (--seeds): near zero, rounding decides whether a unit is open, in any float32. The rates keep 20 steps
# from amplifying rounding: PyTorch in float64 with pictures changed by 1e-13 comes out 1e-2 away for googlenet at 0.01 to 1e-4 (batch
# normalisations of a few pixels), 2e-10 at 1e-7; 1e-3 for resnet50 at 0.001, 1e-10 at 1e-5; 2e-5 for resnet101 and 2e-4 for resnet152 at
# 1e-7, and 1e-15 and 4e-15 at these.
CASES = {
    "mlp": (28, 8, 0, 0.01),
    "cnn-small": (28, 4, 10, 0.001),
    "cnn-large": (28, 4, 16, 0.01),
    "alexnet": (63, 4, 29, 0.001),
    "googlenet": (65, 2, 13, 1e-7),
    "resnet18": (33, 3, 24, 0.01),
    "resnet34": (33, 3, 1, 0.01),
    "resnet50": (33, 3, 3, 1e-5),
    "resnet101": (33, 3, 23, 1e-8),
    "resnet152": (33, 3, 19, 1e-9),
    "vgg11": (32, 1, 20, 0.001),
    "vgg11_bn": (32, 2, 27, 0.0001),
    "vgg13": (32, 1, 14, 0.001),
    "vgg13_bn": (32, 2, 11, 0.0001),
    "vgg16": (32, 1, 20, 0.001),
    "vgg16_bn": (32, 2, 5, 0.0001),
    "vgg19": (32, 1, 20, 0.001),
    "vgg19_bn": (32, 2, 5, 0.0001),
}


def words(name, n):
    """n numbers of 32 bits that depend on a name and their index: murmur3's last mixing."""
    h = np.arange(n, dtype=np.uint32) * np.uint32(0x9E3779B9) + np.uint32(zlib.crc32(name.encode()))
    h ^= h >> np.uint32(16)
    h *= np.uint32(0x85EBCA6B)
    h ^= h >> np.uint32(13)
    h *= np.uint32(0xC2B2AE35)
    h ^= h >> np.uint32(16)
    return h


def uniform(name, shape, middle, half):
    """float32 of middle - half to middle + half."""
    u = (words(name, int(np.prod(shape))) >> np.uint32(8)).astype(np.float32) * np.float32(2**-23) - np.float32(1)
    return (np.float32(middle) + np.float32(half) * u).reshape(shape)


def weights(name, shape):
    if len(shape) > 1:  # He et al.: variance 2 / fan-in
        return uniform(name, shape, 0, np.sqrt(6 / float(np.prod(shape[1:]))))
    if name.endswith("running_var"):
        return uniform(name, shape, 1, 0.5)
    if name.endswith("weight"):
        return uniform(name, shape, 1, 0.25)
    return uniform(name, shape, 0, 0.1)


class Masks:
    """The streams of one step's dropouts, as autograd.Tape draws them."""

    def begin(self, step):
        self.id, self.draws = step, 0

    def next(self, shape, rate):
        self.draws += 1
        k = self.id ^ 0x5DEECE66D
        low = 0xFFFFFFFF
        r = philox([k & low, k >> 32], [self.id & low, self.id >> 32, self.draws & low, self.draws >> 32])
        return keep_mask(shape, rate, 5, int(r[0]) | int(r[1]) << 32)


class Dropout(nn.Module):
    def __init__(self, rate, masks):
        super().__init__()
        self.rate, self.masks = rate, masks

    def forward(self, x):
        if not self.training:
            return x
        return x * self.masks.next(x.shape, self.rate).to(x.dtype) / (1 - self.rate)


def lecture(name, classes):
    if name == "mlp":
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 784), nn.ReLU(), nn.Linear(784, classes))
    if name == "cnn-small":
        return nn.Sequential(nn.Conv2d(1, 32, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.2), nn.Flatten(),
                             nn.Linear(4608, 128), nn.ReLU(), nn.Linear(128, classes))
    if name == "cnn-large":
        return nn.Sequential(nn.Conv2d(1, 30, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(30, 15, 3), nn.ReLU(), nn.MaxPool2d(2),
                             nn.Dropout(0.2), nn.Flatten(), nn.Linear(375, 128), nn.ReLU(), nn.Linear(128, 50), nn.ReLU(),
                             nn.Linear(50, classes))
    return None


def network(name, classes):
    with torch.device("meta"):
        net = lecture(name, classes)
        if net is None:
            options = {"aux_logits": True, "init_weights": False} if name == "googlenet" else {}
            net = getattr(torchvision.models, name)(weights=None, num_classes=classes, **options)
    return net


def state(net):
    return {n: t for n, t in net.state_dict().items() if not n.endswith("num_batches_tracked")}


def made(net, dtype):
    """The network with its weights by formula."""
    net = net.to_empty(device="cpu").to(dtype)
    with torch.no_grad():
        for name, t in state(net).items():
            t.copy_(torch.from_numpy(weights(name, tuple(t.shape))))
    return net


def small(name, masks):
    """The network with few classes and Fovea's dropout; on no device."""
    net = network(name, CLASSES)
    if name.startswith("vgg"):
        for i, l in enumerate(net.classifier):
            if isinstance(l, nn.Linear):
                net.classifier[i] = nn.Linear(l.in_features if i == 0 else HIDDEN, min(l.out_features, HIDDEN), device="meta")
    for module in list(net.modules()):
        for child, l in list(module.named_children()):
            if isinstance(l, nn.Dropout):
                setattr(module, child, Dropout(l.p, masks))
            elif isinstance(l, nn.ReLU):
                l.inplace = False
    return net


def distance(got, truth):
    flat = lambda list: torch.cat([t.detach().double().flatten() for t in list])
    got, truth = flat(got), flat(truth)
    return float((got - truth).norm() / truth.norm())


def rows(tensors):
    """Norm and sums with random signs of each."""
    made = []
    for t in tensors:
        v = t.detach().double().numpy().reshape(-1)
        h = words("signs", v.size)
        made.append([np.linalg.norm(v)] + [float(v.sum() - 2 * v[(h >> np.uint32(k)) & np.uint32(1) == 1].sum()) for k in range(SIGNS)])
    return np.array(made)


def batch(name, seed):
    side, n, _, _ = CASES[name]
    x = uniform(f"pictures/{seed}", (n, 1 if lecture(name, CLASSES) is not None else 3, side, side), 0, 1)
    return torch.from_numpy(x), torch.from_numpy((words(f"labels/{seed}", n) % np.uint32(CLASSES)).astype(np.int64))


def loss_of(net, x, labels):
    y = net(x)
    if isinstance(y, torch.Tensor):
        return F.cross_entropy(y, labels)
    return F.cross_entropy(y.logits, labels) + 0.3 * (F.cross_entropy(y.aux_logits1, labels) + F.cross_entropy(y.aux_logits2, labels))


def margins(name, count):
    """For each seed, the smallest |input of a ReLU| in units of its root mean square."""
    masks = Masks()
    net = made(small(name, masks), torch.float64).train()
    nearest = []

    def watch(x):
        size = x.detach().abs()
        nearest.append(float(size.min() / size.square().mean().sqrt()))

    plain = F.relu
    F.relu = lambda x, inplace=False: (watch(x), plain(x))[1]  # googlenet calls it so, nn.ReLU too
    found = []
    with torch.no_grad():
        for seed in range(count):
            nearest.clear()
            masks.begin(0)
            net(batch(name, seed)[0].double())
            found.append((min(nearest), seed))
    F.relu = plain
    found.sort(reverse=True)
    print(name, "best seeds:", ", ".join(f"{seed} ({m:.2g})" for m, seed in found[:5]), f"median {found[len(found) // 2][0]:.2g}", flush=True)


def full(name, arrays, case):
    net = made(network(name, 1000), torch.float32).eval()
    x = torch.from_numpy(uniform("picture", (1, 3, 224, 224), 0, 1))
    with torch.no_grad():
        single = net(x)
        truth = net.double()(x.double())
    arrays[f"{name}/full"] = truth.numpy()
    case["full_distance"] = distance([single], [truth])


def record(name, arrays):
    side, n, seed, rate = CASES[name]
    case = {"model": name, "side": side, "batch": n, "seed": seed, "rate": rate}
    if lecture(name, CLASSES) is None:
        full(name, arrays, case)
    masks = Masks()
    x, labels = batch(name, seed)
    logits = {}
    for dtype in torch.float32, torch.float64:
        net = made(small(name, masks), dtype).eval()
        with torch.no_grad():
            logits[dtype] = net(x.to(dtype))
    arrays[f"{name}/logits"] = logits[torch.float64].numpy()
    case["logits_distance"] = distance([logits[torch.float32]], [logits[torch.float64]])

    def gradients(dtype, layout=torch.contiguous_format):
        net = made(small(name, masks), dtype).train().to(memory_format=layout)
        masks.begin(0)
        loss_of(net, x.to(dtype, memory_format=layout), labels).backward()
        return [p.grad.contiguous() for p in net.parameters()]

    truth = gradients(torch.float64)
    arrays[f"{name}/gradients"] = rows(truth)
    case["gradients_distances"] = [distance(gradients(torch.float32), truth), distance(gradients(torch.float32, torch.channels_last), truth)]
    with torch.backends.mkldnn.flags(enabled=False):
        case["gradients_distances"].append(distance(gradients(torch.float32), truth))
    del truth

    net = made(net, torch.float64).train()  # running statistics anew
    optimizer = torch.optim.SGD(net.parameters(), lr=rate, momentum=0.9, weight_decay=5e-4)
    losses = []
    for step in range(STEPS):
        masks.begin(step)
        loss = loss_of(net, x.double(), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    arrays[f"{name}/loss"] = np.array(losses)
    arrays[f"{name}/weights"] = rows(state(net).values())
    print(f"{name}: PyTorch float32 is off by {case.get('full_distance', 0):.2g} (full), {case['logits_distance']:.2g} (logits), "
          f"{', '.join(f'{d:.2g}' for d in case['gradients_distances'])} (gradients); loss {losses[0]:.4g} to {losses[-1]:.4g}", flush=True)
    return case


def keep(name, folder):
    """Records a network into the files, beside the others' recordings."""
    told, arrays = folder / "torchvision.json", folder / "torchvision.safetensors"
    cases = json.loads(told.read_text())["cases"] if told.exists() else {}
    kept = load_file(arrays) if arrays.exists() else {}
    cases[name] = record(name, kept)
    folder.mkdir(parents=True, exist_ok=True)
    states = {n: state(network(n, CLASSES if lecture(n, CLASSES) is not None else 1000)) for n in CASES}
    lines = ['{"state": {', ",\n".join(f'"{n}": [\n' + ",\n".join(json.dumps([e, list(t.shape)]) for e, t in s.items()) + "]" for n, s in states.items())]
    lines += ['}, "cases": {', ",\n".join(f'"{n}": {json.dumps(cases[n])}' for n in CASES if n in cases), "}}"]
    told.write_text("\n".join(lines) + "\n")
    save_file({n: np.ascontiguousarray(a) for n, a in sorted(kept.items())}, arrays)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", help="default: all")
    parser.add_argument("--seeds", type=int, help="write nothing, print which of that many seeds of the pictures are best")
    parser.add_argument("--out", type=Path, default=FOLDER)
    args = parser.parse_args()
    if unknown := set(args.networks) - set(CASES):
        sys.exit(f"no such network: {', '.join(sorted(unknown))}")
    names = args.networks or list(CASES)
    torch.set_num_threads(2)
    if args.seeds:
        for name in names:
            margins(name, args.seeds)
        return
    for name in names:
        keep(name, args.out)


if __name__ == "__main__":
    main()
