"""Record what PyTorch makes of the networks in their papers' own forms, which torchvision does not have.

Rerun (half a minute on 2 cores): VENV/bin/python scripts/record_papers.py     # VENV as for record_torchvision.py

Written down from the papers a second time, with PyTorch's functions: nn/zoo has them with Fovea's. Weights and pictures are
functions of names, as in record_torchvision.py; parameters are named as in nn/zoo. File, in nn/zoo/testdata:

  papers.json   {network: {"sample": [C, H, W], "logits": [10] of one picture in evaluation mode, from float64}}
"""

import json

import numpy as np
import torch
import torch.nn.functional as F

from record_torchvision import FOLDER, uniform, weights

CLASSES, HIDDEN = 10, 64  # 1000 and 4096 in the papers


class Layers:
    """Layers by name, whose weights are made when they are met."""

    def get(self, name, *shape):
        return torch.from_numpy(weights(name, shape).astype(np.float64))

    def conv(self, x, name, filters, size, stride=1, padding=0, groups=1, bias=True):
        w = self.get(f"{name}.weight", filters, x.shape[1] // groups, size, size)
        return F.conv2d(x, w, self.get(f"{name}.bias", filters) if bias else None, stride, padding, 1, groups)

    def linear(self, x, name, features):
        return F.linear(x, self.get(f"{name}.weight", features, x.shape[1]), self.get(f"{name}.bias", features))

    def norm(self, x, name, eps=1e-5):
        mean, var, scale, shift = (self.get(f"{name}.{part}", x.shape[1]) for part in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, mean, var, scale, shift, False, 0, eps)


def across_maps(x):
    """Krizhevsky et al. 2012, section 3.3: k = 2, n = 5, alpha = 1e-4 (not divided by n), beta = 0.75."""
    squares = F.pad(x * x, (0, 0, 0, 0, 2, 2))
    total = sum(squares[:, i:i + x.shape[1]] for i in range(5))
    return x / (2 + 1e-4 * total) ** 0.75


def contrast(x):
    """The same about the mean of the maps that exist."""
    y = torch.empty_like(x)
    for i in range(x.shape[1]):
        window = x[:, max(0, i - 2):i + 3]
        mean = window.mean(1)
        y[:, i] = (x[:, i] - mean) / (2 + 1e-4 * ((window - mean[:, None]) ** 2).sum(1)) ** 0.75
    return y


def classifier(l, x):
    x = F.relu(l.linear(x.flatten(1), "fc6", HIDDEN))
    return l.linear(F.relu(l.linear(x, "fc7", HIDDEN)), "fc8", CLASSES)


def alexnet(l, x, groups):
    x = F.max_pool2d(across_maps(F.relu(l.conv(x, "conv1", 96, 11, 4))), 3, 2)
    x = F.max_pool2d(across_maps(F.relu(l.conv(x, "conv2", 256, 5, 1, 2, groups))), 3, 2)
    x = F.relu(l.conv(x, "conv3", 384, 3, 1, 1))
    x = F.relu(l.conv(x, "conv4", 384, 3, 1, 1, groups))
    x = F.relu(l.conv(x, "conv5", 256, 3, 1, 1, groups))
    return classifier(l, F.max_pool2d(x, 3, 2))


def zfnet(l, x):
    x = contrast(F.max_pool2d(F.relu(l.conv(x, "conv1", 96, 7, 2, 1)), 3, 2, ceil_mode=True))
    x = contrast(F.max_pool2d(F.relu(l.conv(x, "conv2", 256, 5, 2)), 3, 2, ceil_mode=True))
    x = F.relu(l.conv(x, "conv3", 384, 3, 1, 1))
    x = F.relu(l.conv(x, "conv4", 384, 3, 1, 1))
    x = F.relu(l.conv(x, "conv5", 256, 3, 1, 1))
    return classifier(l, F.max_pool2d(x, 3, 2, ceil_mode=True))


def inception(l, x, name, n1, r3, n3, r5, n5, proj):
    return torch.cat((
        F.relu(l.conv(x, f"{name}.branch1.0", n1, 1)),
        F.relu(l.conv(F.relu(l.conv(x, f"{name}.branch2.0", r3, 1)), f"{name}.branch2.2", n3, 3, 1, 1)),
        F.relu(l.conv(F.relu(l.conv(x, f"{name}.branch3.0", r5, 1)), f"{name}.branch3.2", n5, 5, 1, 2)),
        F.relu(l.conv(F.max_pool2d(x, 3, 1, 1), f"{name}.branch4.1", proj, 1))), 1)


def googlenet(l, x):
    def halve(x):  # to ceil(size / 2), as "same" padding
        return F.max_pool2d(x, 3, 2, ceil_mode=True)

    def lrn(x):
        return F.local_response_norm(x, 5, 1e-4, 0.75, 1)

    x = lrn(halve(F.relu(l.conv(x, "conv1", 64, 7, 2, 3))))
    x = F.relu(l.conv(x, "conv2", 64, 1))
    x = halve(lrn(F.relu(l.conv(x, "conv3", 192, 3, 1, 1))))
    x = inception(l, x, "inception3a", 64, 96, 128, 16, 32, 32)
    x = halve(inception(l, x, "inception3b", 128, 128, 192, 32, 96, 64))
    x = inception(l, x, "inception4a", 192, 96, 208, 16, 48, 64)
    x = inception(l, x, "inception4b", 160, 112, 224, 24, 64, 64)
    x = inception(l, x, "inception4c", 128, 128, 256, 24, 64, 64)
    x = inception(l, x, "inception4d", 112, 144, 288, 32, 64, 64)
    x = halve(inception(l, x, "inception4e", 256, 160, 320, 32, 128, 128))
    x = inception(l, x, "inception5a", 256, 160, 320, 32, 128, 128)
    x = inception(l, x, "inception5b", 384, 192, 384, 48, 128, 128)
    return l.linear(x.mean((2, 3)), "fc", CLASSES)


def resnet_cifar(l, x, depth):
    x = F.relu(l.norm(l.conv(x, "conv1", 16, 3, 1, 1, bias=False), "bn1"))
    for stage, width in enumerate((16, 32, 64), 1):
        for i in range((depth - 2) // 6):
            name, stride = f"layer{stage}.{i}", 2 if stage > 1 and i == 0 else 1
            y = F.relu(l.norm(l.conv(x, f"{name}.conv1", width, 3, stride, 1, bias=False), f"{name}.bn1"))
            y = l.norm(l.conv(y, f"{name}.conv2", width, 3, 1, 1, bias=False), f"{name}.bn2")
            short = x[:, :, ::stride, ::stride]
            x = F.relu(y + F.pad(short, (0, 0, 0, 0, 0, width - x.shape[1])))
    return l.linear(x.mean((2, 3)), "fc", CLASSES)


def preactivated(l, x, depth):
    x = l.conv(x, "conv1", 16, 3, 1, 1, bias=False)
    for stage, width in enumerate((16, 32, 64), 1):
        for i in range((depth - 2) // 9):
            name, stride = f"layer{stage}.{i}", 2 if stage > 1 and i == 0 else 1
            before = F.relu(l.norm(x, f"{name}.bn1"))
            y = l.conv(before, f"{name}.conv1", width, 1, stride, bias=False)
            y = l.conv(F.relu(l.norm(y, f"{name}.bn2")), f"{name}.conv2", width, 3, 1, 1, bias=False)
            y = l.conv(F.relu(l.norm(y, f"{name}.bn3")), f"{name}.conv3", 4 * width, 1, bias=False)
            if i == 0:
                x = l.conv(before, f"{name}.downsample", 4 * width, 1, stride, bias=False)
            x = x + y
    return l.linear(F.relu(l.norm(x, "bn")).mean((2, 3)), "fc", CLASSES)


NETWORKS = {
    "alexnet-original": ((3, 67, 67), lambda l, x: alexnet(l, x, 2)),
    "alexnet-ungrouped": ((3, 67, 67), lambda l, x: alexnet(l, x, 1)),
    "zfnet": ((3, 47, 47), zfnet),
    "googlenet-original": ((3, 48, 48), googlenet),
    "resnet20-cifar": ((3, 16, 16), lambda l, x: resnet_cifar(l, x, 20)),
    "resnet56-cifar": ((3, 16, 16), lambda l, x: resnet_cifar(l, x, 56)),
    "resnet38-cifar, activated before": ((3, 16, 16), lambda l, x: preactivated(l, x, 38)),  # as resnet1001-cifar, which overflows
}


def main():
    result = {}
    for name, (sample, forward) in NETWORKS.items():
        # Large numbers, so that what is divided by in a normalisation across maps is more than its constant.
        x = torch.from_numpy(uniform(f"{name}/x", (1, *sample), 0, 20).astype(np.float64))
        with torch.no_grad():
            logits = forward(Layers(), x)
        result[name] = {"sample": sample, "logits": logits[0].tolist()}
        print(name)
    with open(FOLDER / "papers.json", "w") as f:
        json.dump(result, f, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main()
