# The networks of nn/zoo in PyTorch.


def build(name, classes):
    import torch
    from torch import nn

    def conv(i, o, k, stride=1, pad=0):
        return [nn.Conv2d(i, o, k, stride, pad), nn.ReLU(inplace=True)]

    def normalised(i, o, k, stride=1, pad=0):
        return [nn.Conv2d(i, o, k, stride, pad, bias=False), nn.BatchNorm2d(o)]

    class Residual(nn.Module):
        def __init__(self, body, shortcut):
            super().__init__()
            self.body, self.shortcut, self.relu = body, shortcut, nn.ReLU(inplace=True)

        def forward(self, x):
            return self.relu(self.body(x) + self.shortcut(x))

    def resnet(bottleneck, blocks):
        layers = [*normalised(3, 64, 7, 2, 3), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
        channels = 64
        for stage, count in enumerate(blocks):
            width = 64 << stage
            out = 4 * width if bottleneck else width
            for i in range(count):
                stride = 2 if stage > 0 and i == 0 else 1
                if bottleneck:
                    body = [*normalised(channels, width, 1), nn.ReLU(inplace=True),
                            *normalised(width, width, 3, stride, 1), nn.ReLU(inplace=True), *normalised(width, out, 1)]
                else:
                    body = [*normalised(channels, width, 3, stride, 1), nn.ReLU(inplace=True),
                            *normalised(width, width, 3, 1, 1)]
                same = channels == out and stride == 1
                shortcut = nn.Identity() if same else nn.Sequential(*normalised(channels, out, 1, stride))
                layers.append(Residual(nn.Sequential(*body), shortcut))
                channels = out
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))

    def vgg(counts, norm):
        layers, channels = [], 3
        for width, count in zip((64, 128, 256, 512, 512), counts):
            for _ in range(count):
                layers.append(nn.Conv2d(channels, width, 3, padding=1))
                layers += [nn.BatchNorm2d(width)] if norm else []
                layers.append(nn.ReLU(inplace=True))
                channels = width
            layers.append(nn.MaxPool2d(2))
        return nn.Sequential(*layers, nn.Flatten(),
                             nn.Linear(25088, 4096), nn.ReLU(inplace=True), nn.Dropout(0.5),
                             nn.Linear(4096, 4096), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(4096, classes))

    class Product(nn.Module):
        def __init__(self, n):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(n, n))

        def forward(self, x):
            return x @ self.weight

    residual = {"resnet18": (False, (2, 2, 2, 2)), "resnet34": (False, (3, 4, 6, 3)), "resnet50": (True, (3, 4, 6, 3)),
                "resnet101": (True, (3, 4, 23, 3)), "resnet152": (True, (3, 8, 36, 3))}
    deep = {"vgg11": (1, 1, 2, 2, 2), "vgg13": (2, 2, 2, 2, 2), "vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
    if name in residual:
        return resnet(*residual[name])
    if name.removesuffix("_bn") in deep:
        return vgg(deep[name.removesuffix("_bn")], name.endswith("_bn"))
    if name == "alexnet":
        return nn.Sequential(
            *conv(3, 64, 11, 4, 2), nn.MaxPool2d(3, 2), *conv(64, 192, 5, 1, 2), nn.MaxPool2d(3, 2),
            *conv(192, 384, 3, 1, 1), *conv(384, 256, 3, 1, 1), *conv(256, 256, 3, 1, 1), nn.MaxPool2d(3, 2),
            nn.Flatten(), nn.Dropout(0.5), nn.Linear(9216, 4096), nn.ReLU(inplace=True),
            nn.Dropout(0.5), nn.Linear(4096, 4096), nn.ReLU(inplace=True), nn.Linear(4096, classes))
    if name == "mlp":
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 784), nn.ReLU(), nn.Linear(784, classes))
    if name == "cnn-small":
        return nn.Sequential(*conv(1, 32, 5), nn.MaxPool2d(2), nn.Dropout(0.2), nn.Flatten(),
                             nn.Linear(4608, 128), nn.ReLU(), nn.Linear(128, classes))
    if name == "cnn-large":
        return nn.Sequential(*conv(1, 30, 5), nn.MaxPool2d(2), *conv(30, 15, 3), nn.MaxPool2d(2), nn.Dropout(0.2),
                             nn.Flatten(), nn.Linear(375, 128), nn.ReLU(), nn.Linear(128, 50), nn.ReLU(),
                             nn.Linear(50, classes))
    if name.startswith("sgemm"):
        return Product(classes)
    raise ValueError(f"no network {name} in peers/networks.py")


