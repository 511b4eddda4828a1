"""Record what PyTorch computes, as the reference for Fovea's tests.

Rerun (five seconds on one core, no GPU):

    python -m venv VENV && VENV/bin/pip install torch numpy safetensors
    VENV/bin/python scripts/record_pytorch.py [--check] [--out autograd/testdata]

Recorded with Python 3.11.7, torch 2.15.0+cu132 (CPU), numpy 2.4.6, safetensors 0.8.0. A rerun with these versions on
the same machine gives the same bytes; another processor may differ in the last bits of a result (1.8e-16 in norm was
seen). --check writes nothing: it says whether a rerun gives the same cases, the same inputs to the bit and the same
results within 1e-12 in norm.

Everything is computed in float64. Inputs and incoming gradients ("dout") are seeded random numbers, rounded to numbers
that float32 holds exactly, so that a float32 test starts from the same values. Each tensor's seed is the CRC-32 of its
own name: adding a case changes no other case.

Files (all float tensors F64, labels I64):

  ops.safetensors, ops.json      {"torch": version, "cases": [{
      "name":   "op/case", unique; tensors are named "op/case/tensor",
      "op", "attrs"  (padding is [top, bottom, left, right], every other pair [height, width]),
      "inputs": tensor names in the order of the op's arguments (an absent bias is left out),
      "labels": name of the class labels, or null,
      "output": name,
      "dout":   name of the gradient passed to output.backward,
      "grads":  names of the inputs' gradients, null where there is none,
      "extra":  {what: tensor name}}]}
  optim.safetensors, optim.json  {"torch": version, "cases": [{"name", "op", "attrs",
      "params": names of p0 (start) .. p5 (after step 5), "grads": names of g0 .. g4}]}
"""

import argparse
import json
import sys
import zlib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)


# Values. Each is a recipe: called with a numpy generator it returns an array.

def normal(*shape, scale=1.0):
    return lambda rng: scale * rng.standard_normal(shape)


def away(*shape, margin=0.06):
    """Normal numbers pushed away from the kink at zero: none lies within margin of it."""
    def make(rng):
        x = rng.standard_normal(shape)
        return x + np.copysign(margin, x)
    return make


def distinct(*shape):
    """Numbers in random order that differ by at least 1/64 from one another and 1/128 from zero."""
    def make(rng):
        n = int(np.prod(shape))
        return ((rng.permutation(n) + 0.5 - n // 2) / 64).reshape(shape)
    return make


def positive(*shape):
    return lambda rng: 0.5 + rng.random(shape)


def sign(*shape):
    return lambda rng: rng.choice([-1.0, 1.0], shape)


def binary(*shape):
    return lambda rng: rng.choice([0.0, 1.0], shape)


def fixed(*values):
    return lambda rng: np.array(values)


def draw(name, recipe):
    array = np.asarray(recipe(np.random.default_rng(zlib.crc32(name.encode()))))
    return torch.from_numpy(array.astype(np.float32).astype(np.float64))


class Recorder:
    def __init__(self):
        self.tensors, self.cases = {}, []

    def put(self, name, tensor):
        assert name not in self.tensors, name
        assert tensor.dtype == torch.int64 or torch.isfinite(tensor).all(), name
        self.tensors[name] = tensor.detach().clone().contiguous()
        return name

    def case(self, op, case, f, inputs, attrs=None, no_grad=(), labels=None, extra=None):
        """Record f(*inputs[, labels][, **extra]) and its gradients.

        inputs and extra map names to recipes; labels is an integer array. f may return (output, {name: tensor}): the
        second part is added to the case's extra tensors.
        """
        prefix = f"{op}/{case}/"
        leaves = {k: draw(prefix + k, v).requires_grad_(k not in no_grad) for k, v in inputs.items()}
        given = {k: draw(prefix + k, v) for k, v in (extra or {}).items()}
        entry = {
            "name": f"{op}/{case}", "op": op, "attrs": attrs or {},
            "inputs": [self.put(prefix + k, v) for k, v in leaves.items()],
            "labels": None, "output": prefix + "output", "dout": prefix + "dout", "grads": [],
            "extra": {k: self.put(prefix + k, v) for k, v in given.items()},
        }
        arguments = list(leaves.values())
        if labels is not None:
            arguments.append(torch.tensor(labels, dtype=torch.int64))
            entry["labels"] = self.put(prefix + "labels", arguments[-1])
        output, more = f(*arguments, **given), {}
        if isinstance(output, tuple):
            output, more = output
        entry["extra"].update({k: self.put(prefix + k, v) for k, v in more.items()})
        dout = draw(prefix + "dout", fixed(1.7) if output.dim() == 0 else normal(*output.shape)).reshape(output.shape)
        output.backward(dout)
        self.put(prefix + "output", output)
        self.put(prefix + "dout", dout)
        entry["grads"] = [self.put(prefix + "grad_" + k, v.grad) if v.requires_grad else None
                          for k, v in leaves.items()]
        self.cases.append(entry)

    def save(self, out, stem):
        file = out / f"{stem}.safetensors"
        save_file(self.tensors, file)
        file.chmod(0o644)
        lines = ",\n".join(json.dumps(c) for c in self.cases)
        (out / f"{stem}.json").write_text(f'{{"torch": {json.dumps(torch.__version__)}, "cases": [\n{lines}\n]}}\n')

    def check(self, out, stem):
        """Compare with what save wrote; returns the differences, a line each."""
        stored = load_file(out / f"{stem}.safetensors")
        cases = json.loads((out / f"{stem}.json").read_text())["cases"]
        differences = [] if cases == json.loads(json.dumps(self.cases)) else [f"{stem}.json has other cases"]
        differences += [f"{name} is in one only" for name in stored.keys() ^ self.tensors.keys()]
        results = {name for c in cases for name in [c.get("output"), *c.get("params", [])[1:],
                                                    *(c["grads"] if "output" in c else []), *c.get("extra", {}).values()]}
        for name in stored.keys() & self.tensors.keys():
            got, want = self.tensors[name], stored[name]
            if got.shape != want.shape or got.dtype != want.dtype:
                differences.append(f"{name} has another shape or type")
            elif name in results:
                error = torch.linalg.vector_norm(got - want) / max(torch.linalg.vector_norm(want).item(), 1e-300)
                if not error <= 1e-12:
                    differences.append(f"{name} differs by {error:.1e} in norm")
            elif not torch.equal(got, want):
                differences.append(f"input {name} differs")
        return differences


# Convolution.

def conv(x, w, b, stride, padding, dilation, groups):
    top, bottom, left, right = padding
    if (top, left) == (bottom, right):
        return F.conv2d(x, w, b, stride, (top, left), dilation, groups)
    return F.conv2d(F.pad(x, (left, right, top, bottom)), w, b, stride, 0, dilation, groups)


def record_convolutions(r):
    # case: x, w, what differs from the default attributes
    cases = {
        "plain": ((2, 3, 6, 7), (4, 3, 3, 3), {}),
        "stride2": ((2, 3, 7, 8), (4, 3, 3, 3), {"stride": [2, 2]}),
        "stride_per_axis": ((2, 3, 7, 8), (4, 3, 3, 2), {"stride": [1, 3]}),
        "same": ((2, 3, 6, 5), (4, 3, 3, 5), {"padding": [1, 1, 2, 2]}),
        "same_even": ((2, 3, 5, 6), (4, 3, 2, 4), {"padding": [0, 1, 1, 2]}),
        "pad_per_side": ((2, 3, 5, 6), (4, 3, 3, 3), {"padding": [2, 0, 1, 3], "stride": [2, 1]}),
        "dilation2": ((2, 3, 8, 7), (4, 3, 3, 3), {"dilation": [2, 2]}),
        "dilation_per_axis": ((2, 3, 8, 7), (4, 3, 3, 2), {"dilation": [1, 3], "padding": [1, 1, 1, 1]}),
        "groups2": ((2, 4, 6, 5), (6, 2, 3, 3), {"groups": 2}),
        "depthwise": ((2, 5, 6, 6), (5, 1, 3, 3), {"groups": 5, "padding": [1, 1, 1, 1]}),
        "depthwise_multiplier2": ((2, 3, 6, 6), (6, 1, 3, 3), {"groups": 3}),
        "groups_stride_dilation": ((2, 6, 9, 8), (3, 2, 3, 3), {
            "groups": 3, "stride": [2, 1], "dilation": [2, 3], "padding": [1, 2, 0, 1]}),
        "one_by_one": ((2, 5, 5, 6), (4, 5, 1, 1), {}),
        "one_by_one_stride2": ((2, 5, 5, 6), (4, 5, 1, 1), {"stride": [2, 2]}),
        "no_bias": ((2, 3, 6, 5), (4, 3, 3, 3), {"padding": [1, 1, 1, 1]}),
        "stride_over_window": ((2, 3, 9, 8), (4, 3, 2, 2), {"stride": [3, 4]}),
        "batch1": ((1, 3, 6, 7), (4, 3, 3, 3), {}),
        "one_channel": ((2, 1, 6, 5), (1, 1, 3, 3), {}),
        "window_is_image": ((2, 3, 5, 4), (4, 3, 5, 4), {}),
    }
    plain = {"stride": [1, 1], "padding": [0, 0, 0, 0], "dilation": [1, 1], "groups": 1}
    for case, shape in ("odd", (2, 3, 3, 5)), ("even", (3, 2, 4, 2)), ("point", (2, 2, 1, 1)):
        r.case("rotate180", case, lambda w: torch.flip(w, [2, 3]), {"w": normal(*shape)})

    for op, flip in ("conv2d", False), ("true_conv2d", True):
        for case, (x, w, change) in cases.items():
            attrs = plain | change

            def f(x, w, b=None):
                return conv(x, torch.flip(w, [2, 3]) if flip else w, b, **attrs)
            inputs = {"x": normal(*x), "w": normal(*w), "b": normal(w[0])}
            if case == "no_bias":
                del inputs["b"]
            r.case(op, case, f, inputs, attrs)

    cases = {
        "plain": ((2, 4, 5, 4), (4, 3, 3, 3), {}),
        "stride2": ((2, 3, 4, 5), (3, 4, 2, 2), {"stride": [2, 2]}),
        "stride2_pad1_output_padding1": ((2, 3, 4, 5), (3, 4, 3, 3), {
            "stride": [2, 2], "padding": [1, 1, 1, 1], "output_padding": [1, 1]}),
        "per_axis": ((2, 3, 4, 5), (3, 4, 3, 4), {
            "stride": [3, 2], "padding": [0, 0, 2, 2], "output_padding": [2, 0], "dilation": [1, 2]}),
        "stride_over_window": ((2, 3, 3, 3), (3, 2, 2, 2), {"stride": [3, 3]}),
        "groups2": ((2, 4, 4, 5), (4, 3, 3, 3), {"groups": 2, "padding": [1, 1, 1, 1]}),
        "depthwise": ((2, 4, 4, 5), (4, 1, 3, 3), {"groups": 4, "stride": [2, 2]}),
        "dilation2": ((2, 3, 5, 4), (3, 4, 3, 3), {"dilation": [2, 2], "padding": [1, 1, 2, 2]}),
        "groups_stride_dilation": ((2, 4, 3, 4), (4, 2, 3, 2), {
            "groups": 2, "stride": [2, 3], "dilation": [2, 1], "output_padding": [1, 2], "padding": [1, 1, 0, 0]}),
        "one_by_one": ((2, 3, 4, 5), (3, 4, 1, 1), {}),
        "no_bias": ((2, 3, 4, 5), (3, 4, 3, 3), {"stride": [2, 2]}),
    }
    plain = {"stride": [1, 1], "padding": [0, 0, 0, 0], "output_padding": [0, 0], "dilation": [1, 1], "groups": 1}
    for case, (x, w, change) in cases.items():
        attrs = plain | change

        def f(x, w, b=None):
            top, _, left, _ = attrs["padding"]
            return F.conv_transpose2d(x, w, b, attrs["stride"], (top, left), attrs["output_padding"],
                                      attrs["groups"], attrs["dilation"])
        inputs = {"x": normal(*x), "w": normal(*w), "b": normal(w[1] * attrs["groups"])}
        if case == "no_bias":
            del inputs["b"]
        r.case("conv_transpose2d", case, f, inputs, attrs)


# Pooling.

def max_pool(x, window, stride, padding, ceil_mode):
    top, bottom, left, right = padding
    if (top, left) == (bottom, right):
        return F.max_pool2d(x, window, stride, (top, left), ceil_mode=ceil_mode)
    assert not ceil_mode
    return F.max_pool2d(F.pad(x, (left, right, top, bottom), value=-torch.inf), window, stride)


def avg_pool(x, window, stride, padding, ceil_mode, count_include_pad):
    top, bottom, left, right = padding
    if (top, left) == (bottom, right):
        return F.avg_pool2d(x, window, stride, (top, left), ceil_mode, count_include_pad)
    assert not ceil_mode
    sides = (left, right, top, bottom)
    total = F.avg_pool2d(F.pad(x, sides), window, stride, divisor_override=1)
    count = F.avg_pool2d(F.pad(torch.ones_like(x), sides, value=float(count_include_pad)), window, stride,
                         divisor_override=1)
    return total / count


def record_pooling(r):
    cases = {
        "plain": ((2, 3, 6, 8), {}),
        "odd_size": ((2, 3, 7, 5), {}),
        "overlap": ((2, 3, 7, 9), {"window": [3, 3], "stride": [2, 2]}),
        "overlap_stride1": ((2, 3, 5, 6), {"window": [3, 3], "stride": [1, 1]}),
        "ceil": ((2, 3, 6, 8), {"window": [3, 3], "stride": [2, 2], "ceil_mode": True}),
        "padding1": ((2, 3, 6, 7), {"window": [3, 3], "stride": [2, 2], "padding": [1, 1, 1, 1]}),
        "ceil_padding1": ((2, 3, 6, 8), {
            "window": [3, 3], "stride": [2, 2], "padding": [1, 1, 1, 1], "ceil_mode": True}),
        # The last window of each axis would begin behind the image and its left padding: PyTorch drops it.
        "ceil_dropped": ((2, 3, 5, 5), {
            "window": [3, 3], "stride": [3, 3], "padding": [1, 1, 1, 1], "ceil_mode": True}),
        "stride_over_window": ((2, 3, 9, 8), {"window": [2, 2], "stride": [3, 4]}),
        "ceil_stride_over_window": ((2, 3, 9, 8), {"window": [2, 2], "stride": [4, 3], "ceil_mode": True}),
        "per_axis": ((2, 3, 7, 9), {"window": [2, 4], "stride": [1, 3], "padding": [0, 0, 2, 2]}),
        "pad_per_side": ((2, 3, 6, 7), {"window": [3, 3], "stride": [2, 2], "padding": [0, 1, 1, 2]}),
        "one_by_one": ((2, 3, 4, 5), {"window": [1, 1], "stride": [1, 1]}),
    }
    plain = {"window": [2, 2], "stride": [2, 2], "padding": [0, 0, 0, 0], "ceil_mode": False}
    for case, (x, change) in cases.items():
        attrs = plain | change
        r.case("max_pool2d", case, lambda x: max_pool(x, **attrs), {"x": distinct(*x)}, attrs)
        r.case("min_pool2d", case, lambda x: -max_pool(-x, **attrs), {"x": distinct(*x)}, attrs)
        for include in True, False:
            attrs_avg = attrs | {"count_include_pad": include}
            if any(attrs["padding"]) or attrs["ceil_mode"]:
                name = case + ("_include_pad" if include else "_exclude_pad")
            elif include:
                name = case
            else:
                continue
            r.case("avg_pool2d", name, lambda x: avg_pool(x, **attrs_avg), {"x": normal(*x)}, attrs_avg)
    for case, x in ("plain", (2, 3, 5, 6)), ("one_pixel", (2, 3, 1, 1)), ("batch1_row", (1, 4, 1, 7)):
        r.case("global_avg_pool", case, lambda x: F.adaptive_avg_pool2d(x, 1), {"x": normal(*x)})
        r.case("global_max_pool", case, lambda x: F.adaptive_max_pool2d(x, 1), {"x": distinct(*x)})
        r.case("global_min_pool", case, lambda x: -F.adaptive_max_pool2d(-x, 1), {"x": distinct(*x)})
    for case, x, size in (("overlap", (2, 3, 14, 14), (4, 4)), ("uneven", (2, 3, 7, 5), (3, 2)), ("multiple", (2, 3, 8, 9), (4, 3)),
                          ("one_axis", (2, 3, 6, 7), (6, 3)), ("repeat", (2, 3, 2, 3), (5, 7)), ("one_pixel", (1, 2, 1, 1), (3, 2)),
                          ("same", (2, 3, 4, 5), (4, 5))):
        r.case("adaptive_avg_pool2d", case, lambda x: F.adaptive_avg_pool2d(x, size), {"x": normal(*x)}, {"size": list(size)})


# Linear maps and normalisation.

def contrast_norm(x, size, alpha, beta, k):
    """Local contrast normalisation across maps: the window of map i is cut at the first and the last map."""
    maps = []
    for i in range(x.shape[1]):
        window = x[:, max(0, i - size // 2):min(x.shape[1], i + (size - 1) // 2 + 1)]
        mean = window.sum(1) / window.shape[1]
        spread = ((window - mean.unsqueeze(1)) ** 2).sum(1)
        maps.append((x[:, i] - mean) * (k + alpha / size * spread) ** -beta)
    return torch.stack(maps, 1)


def record_linear_and_norm(r):
    r.case("linear", "plain", F.linear, {"x": normal(3, 5), "w": normal(4, 5), "b": normal(4)})
    r.case("linear", "no_bias", F.linear, {"x": normal(3, 5), "w": normal(4, 5)})
    r.case("linear", "batch1", F.linear, {"x": normal(1, 6), "w": normal(3, 6), "b": normal(3)})
    r.case("linear", "one_output", F.linear, {"x": normal(4, 6), "w": normal(1, 6), "b": normal(1)})
    r.case("linear", "wide", F.linear, {"x": normal(9, 33), "w": normal(17, 33), "b": normal(17)})

    r.case("matmul", "plain", torch.matmul, {"a": normal(3, 5), "b": normal(5, 4)})
    r.case("matmul", "outer", torch.matmul, {"a": normal(6, 1), "b": normal(1, 7)})
    r.case("matmul", "inner", torch.matmul, {"a": normal(1, 9), "b": normal(9, 1)})
    r.case("matmul", "wide", torch.matmul, {"a": normal(17, 33), "b": normal(33, 9)})

    for case, x, attrs in (("image", (2, 3, 4, 5), {"eps": 1e-5, "momentum": 0.1}),
                           ("image_momentum", (3, 4, 5, 3), {"eps": 1e-3, "momentum": 0.25}),
                           ("vector", (6, 5), {"eps": 1e-5, "momentum": 0.1}),
                           ("batch1", (1, 3, 4, 4), {"eps": 1e-5, "momentum": 1.0})):
        c = x[1]
        inputs = {"x": normal(*x), "scale": normal(c), "shift": normal(c)}
        running = {"running_mean": normal(c), "running_var": positive(c)}

        def train(x, scale, shift, running_mean, running_var):
            mean, var = running_mean.clone(), running_var.clone()
            y = F.batch_norm(x, mean, var, scale, shift, True, attrs["momentum"], attrs["eps"])
            return y, {"running_mean_after": mean, "running_var_after": var}
        r.case("batch_norm_train", case, train, inputs, attrs, extra=running)

        def infer(x, scale, shift, running_mean, running_var):
            return F.batch_norm(x, running_mean, running_var, scale, shift, False, eps=attrs["eps"])
        r.case("batch_norm_infer", case, infer, inputs, {"eps": attrs["eps"]}, extra=running)

    for case, c, attrs in (("size5", 7, {"size": 5, "alpha": 1e-4, "beta": 0.75, "k": 2.0}),
                           ("size5_strong", 7, {"size": 5, "alpha": 2.0, "beta": 0.75, "k": 1.0}),
                           ("size3", 6, {"size": 3, "alpha": 0.5, "beta": 0.5, "k": 1.5}),
                           ("size4", 6, {"size": 4, "alpha": 1.0, "beta": 0.75, "k": 1.0}),
                           ("size2", 5, {"size": 2, "alpha": 1.0, "beta": 1.0, "k": 1.0}),
                           ("size5_fewer_maps", 3, {"size": 5, "alpha": 1.0, "beta": 0.75, "k": 1.0}),
                           ("size4_fewer_maps", 2, {"size": 4, "alpha": 1.0, "beta": 0.75, "k": 2.0})):
        x = {"x": normal(2, c, 3, 4)}
        r.case("lrn", case, lambda x: F.local_response_norm(x, **attrs), x, attrs)
        r.case("contrast_norm", case, lambda x: contrast_norm(x, **attrs), x, attrs)


# Activations and dropout.

def philox(key, counter):
    """Philox4x32-10 as in device/philox/philox.go; key and counter are lists of uint64 arrays or ints below 2^32."""
    low = np.uint64(0xFFFFFFFF)
    k0, k1 = (np.uint64(v) for v in key)
    c0, c1, c2, c3 = (np.asarray(v, dtype=np.uint64) for v in counter)
    for _ in range(10):
        p0, p1 = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c1, c2, c3 = (p1 >> np.uint64(32)) ^ c1 ^ k0, p1 & low, (p0 >> np.uint64(32)) ^ c3 ^ k1, p0 & low
        k0, k1 = (k0 + np.uint64(0x9E3779B9)) & low, (k1 + np.uint64(0xBB67AE85)) & low
    return c0, c1, c2, c3


def keep_mask(shape, rate, seed, stream):
    """1 where dropout keeps the element: element e takes lane e%4 of block e//4 and stays iff it is >= rate*2^32."""
    n = int(np.prod(shape))
    i = np.arange((n + 3) // 4, dtype=np.uint64)
    word, zero = 0xFFFFFFFF, np.zeros_like(i)
    counter = [i, zero, zero + np.uint64(stream & word), zero + np.uint64(stream >> 32)]
    lanes = philox([seed & word, seed >> 32], counter)
    numbers = np.stack(lanes, 1).reshape(-1)[:n]
    return torch.from_numpy((numbers >= np.uint64(round(rate * 2**32))).astype(np.float64).reshape(shape))


def record_activations(r):
    extreme = fixed([-2000.0, -200.0, -90.0, -20.0, -0.06], [2000.0, 200.0, 90.0, 20.0, 0.06])
    for case, x in ("image", away(2, 3, 4, 5)), ("vector", away(3, 7)), ("extreme", extreme):
        r.case("identity", case, lambda x: x * 1, {"x": x})
        r.case("step", case, lambda x: (x > 0).double() + 0 * x, {"x": x})
        r.case("sigmoid", case, torch.sigmoid, {"x": x})
        r.case("tanh", case, torch.tanh, {"x": x})
        r.case("relu", case, F.relu, {"x": x})
        for suffix, slope in ("", 0.01), ("_slope", 0.3):
            r.case("leaky_relu", case + suffix, lambda x: F.leaky_relu(x, slope), {"x": x}, {"slope": slope})
        for suffix, alpha in ("", 1.0), ("_alpha", 0.7):
            r.case("elu", case + suffix, lambda x: F.elu(x, alpha), {"x": x}, {"alpha": alpha})
    for case, pieces, x in ("image", 2, (2, 6, 3, 4)), ("image3", 3, (2, 6, 3, 3)), ("vector", 4, (3, 8)), \
            ("one_piece", 1, (2, 3, 2, 2)):
        r.case("maxout", case, lambda x: x.unflatten(1, (-1, pieces)).amax(2), {"x": distinct(*x)}, {"pieces": pieces})
    for case, x in (("vector", normal(3, 6)), ("image", normal(2, 4, 3, 5)), ("sequence", normal(2, 3, 4)),
                    ("one_class", normal(3, 1)), ("large", normal(4, 5, scale=100))):
        r.case("softmax", case, lambda x: F.softmax(x, 1), {"x": x})
        r.case("log_softmax", case, lambda x: F.log_softmax(x, 1), {"x": x})
    for case, shape, rate, seed, stream in (("half", (2, 3, 5, 7), 0.5, 1, 0),
                                            ("fifth", (3, 35), 0.2, 0x123456789AB, 0x1F00000002),
                                            ("most", (2, 5, 4, 6), 0.9, 42, 7),
                                            ("none", (3, 5), 0.0, 42, 7)):
        def f(x):
            mask = keep_mask(shape, rate, seed, stream)
            return x * mask / (1 - rate), {"mask": mask}
        r.case("dropout", case, f, {"x": normal(*shape)}, {"rate": rate, "seed": seed, "stream": stream})


# Elementwise arithmetic and shapes.

def record_arithmetic_and_shapes(r):
    for case, a, b in (("same", (2, 3, 4, 5), (2, 3, 4, 5)),
                       ("matrix", (3, 4), (3, 4)),
                       ("channels", (2, 3, 4, 5), (1, 3, 1, 1)),
                       ("channels_left", (1, 3, 1, 1), (2, 3, 4, 5)),
                       ("per_image_channel", (2, 3, 4, 5), (2, 3, 1, 1)),
                       ("both", (2, 1, 4, 1), (1, 3, 1, 5)),
                       ("one_element", (2, 3), (1, 1))):
        inputs = {"a": normal(*a), "b": normal(*b)}
        r.case("add", case, torch.add, inputs)
        r.case("sub", case, torch.sub, inputs)
        r.case("mul", case, torch.mul, inputs)
        r.case("div", case, torch.div, {"a": normal(*a), "b": away(*b, margin=0.3)})
    for case, factor, offset in ("both", -1.5, 0.25), ("factor", 0.1, 0.0), ("offset", 1.0, -3.0):
        r.case("scale", case, lambda x: factor * x + offset, {"x": normal(2, 3, 2, 4)},
               {"factor": factor, "offset": offset})

    for case, axis, shapes in (("channels", 1, ((2, 3, 4, 5), (2, 1, 4, 5), (2, 4, 4, 5))),
                               ("rows", 2, ((2, 3, 1, 5), (2, 3, 4, 5), (2, 3, 2, 5))),
                               ("batch", 0, ((1, 3), (2, 3), (3, 3)))):
        r.case("concat", case, lambda *x: torch.cat(x, axis),
               {n: normal(*s) for n, s in zip("abc", shapes)}, {"axis": axis})
    for case, x, start, end in (("crop", (2, 3, 6, 7), [0, 0, 1, 2], [2, 3, 5, 6]),
                                ("channels", (2, 5, 3, 4), [0, 1, 0, 0], [2, 4, 3, 4]),
                                ("all_axes", (3, 4, 5, 6), [1, 2, 0, 5], [2, 4, 3, 6]),
                                ("matrix", (4, 6), [1, 0], [3, 5])):
        r.case("slice", case, lambda x: x[tuple(slice(s, e) for s, e in zip(start, end))], {"x": normal(*x)},
               {"start": start, "end": end})
    for case, padding, value in (("zero", [1, 1, 1, 1], 0.0), ("per_side", [0, 2, 3, 1], 0.0),
                                 ("value", [1, 0, 0, 2], -1.5)):
        r.case("pad", case, lambda x: F.pad(x, (*padding[2:], *padding[:2]), value=value), {"x": normal(2, 3, 3, 4)},
               {"padding": padding, "value": value})
    for case, x, before, after in (("after", (2, 3, 3, 4), 0, 2), ("both", (2, 3, 3, 4), 1, 4), ("matrix", (3, 4), 2, 1)):
        sides = (0, 0) * (len(x) - 2) + (before, after)
        r.case("pad_channels", case, lambda x: F.pad(x, sides), {"x": normal(*x)}, {"before": before, "after": after})
    for case, x, shape in (("image_to_matrix", (2, 3, 4, 5), [6, 20]), ("matrix_to_image", (2, 24), [2, 3, 2, 4])):
        r.case("reshape", case, lambda x: x.reshape(shape), {"x": normal(*x)}, {"shape": shape})
    for case, x in ("image", (2, 3, 4, 5)), ("matrix", (3, 4)):
        r.case("flatten", case, lambda x: x.flatten(1), {"x": normal(*x)})
    for case, axes in (("batch", [0]), ("channels", [1]), ("columns", [3]), ("image", [2, 3]), ("outer", [0, 2, 3]),
                       ("apart", [0, 2]), ("all", [0, 1, 2, 3])):
        for keepdims in False, True:
            name, attrs = case + "_keepdims" * keepdims, {"axes": axes, "keepdims": keepdims}
            r.case("sum", name, lambda x: x.sum(axes, keepdim=keepdims), {"x": normal(2, 3, 4, 5)}, attrs)
            r.case("mean", name, lambda x: x.mean(axes, keepdim=keepdims), {"x": normal(2, 3, 4, 5)}, attrs)

    for case, scale in ("two", [2, 2]), ("per_axis", [3, 1]), ("one", [1, 1]):
        r.case("upsample_nearest", case, lambda x: F.interpolate(x, scale_factor=tuple(map(float, scale))),
               {"x": normal(2, 3, 3, 4)}, {"scale": scale})
    for case, x, size in (("double", (2, 3, 3, 4), [6, 8]), ("odd", (2, 3, 4, 5), [7, 11]),
                          ("down", (2, 3, 7, 6), [3, 4]), ("mixed", (2, 3, 5, 4), [3, 9]),
                          ("same", (2, 3, 4, 5), [4, 5]),
                          ("to_one", (2, 3, 4, 5), [1, 1]), ("from_one", (2, 3, 1, 1), [3, 4])):
        for corners in False, True:
            r.case("upsample_bilinear", case + "_corners" * corners,
                   lambda x: F.interpolate(x, size, mode="bilinear", align_corners=corners),
                   {"x": normal(*x)}, {"size": size, "align_corners": corners})


# Losses: scalars, means over what they sum.

def record_losses(r):
    def integers(name, shape, classes):
        return np.random.default_rng(zlib.crc32(name.encode())).integers(0, classes, shape)
    for case, x in (("vector", normal(5, 4)), ("batch1", normal(1, 6)), ("image", normal(2, 4, 3, 5)),
                    ("large", normal(5, 4, scale=100))):
        shape = draw("", x).shape
        labels = integers(f"cross_entropy/{case}/labels", (shape[0], *shape[2:]), shape[1])
        r.case("cross_entropy", case, F.cross_entropy, {"x": x}, labels=labels)
    for case, shape, scale in (("vector", (5, 4), 1), ("batch1", (1, 6), 1), ("image", (2, 4, 3, 5), 1), ("large", (5, 4), 100)):
        r.case("soft_cross_entropy", case, F.cross_entropy, {"x": normal(*shape, scale=scale), "target": lambda rng: rng.random(shape)},
               no_grad=["target"])

    def hinge(x, y):
        return (1 - x * y).clamp(min=0).mean()

    def margin(*shape):
        """x with |x| at least 1/16 away from 1, so that 1 - x*y keeps clear of the hinge for y = 1 and y = -1."""
        def make(rng):
            x = rng.standard_normal(shape) * 1.5
            size = np.abs(x)
            return np.copysign(np.where(size < 1, size * 15 / 16, size + 1 / 16), x)
        return make
    for case, shape in ("column", (7, 1)), ("matrix", (5, 4)), ("image", (2, 3, 3, 4)):
        r.case("logistic", case, F.binary_cross_entropy_with_logits, {"x": normal(*shape), "target": binary(*shape)},
               no_grad=["target"])
        r.case("hinge", case, hinge, {"x": margin(*shape), "target": sign(*shape)}, no_grad=["target"])
        r.case("squared_error", case, F.mse_loss, {"x": normal(*shape), "target": normal(*shape)}, no_grad=["target"])
    r.case("logistic", "soft_target", F.binary_cross_entropy_with_logits,
           {"x": normal(5, 3), "target": lambda rng: rng.random((5, 3))}, no_grad=["target"])
    r.case("logistic", "large", F.binary_cross_entropy_with_logits,
           {"x": normal(6, 4, scale=100), "target": binary(6, 4)}, no_grad=["target"])


def record_optimizers(r):
    sgd = {"lr": 0.1, "momentum": 0.0, "nesterov": False, "weight_decay": 0.0}
    rmsprop = {"lr": 0.01, "alpha": 0.99, "eps": 1e-8, "momentum": 0.0, "weight_decay": 0.0}
    adam = {"lr": 0.01, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0}
    cases = (
        ("sgd", "plain", sgd),
        ("sgd", "weight_decay", sgd | {"weight_decay": 0.05}),
        ("sgd", "momentum", sgd | {"momentum": 0.9}),
        ("sgd", "momentum_weight_decay", sgd | {"momentum": 0.9, "weight_decay": 0.05}),
        ("sgd", "nesterov", sgd | {"momentum": 0.9, "nesterov": True}),
        ("sgd", "nesterov_weight_decay", sgd | {"momentum": 0.8, "nesterov": True, "weight_decay": 0.05}),
        ("rmsprop", "plain", rmsprop),
        ("rmsprop", "momentum", rmsprop | {"momentum": 0.9}),
        ("rmsprop", "weight_decay", rmsprop | {"weight_decay": 0.05}),
        ("rmsprop", "all", rmsprop | {"alpha": 0.9, "eps": 1e-3, "momentum": 0.9, "weight_decay": 0.05}),
        ("adam", "plain", adam),
        ("adam", "weight_decay", adam | {"weight_decay": 0.05}),
        ("adam", "betas", adam | {"beta1": 0.8, "beta2": 0.95, "eps": 1e-3}),
        ("adamw", "plain", adam),
        ("adamw", "weight_decay", adam | {"weight_decay": 0.05}),
        ("adamw", "betas", adam | {"beta1": 0.8, "beta2": 0.95, "eps": 1e-3, "weight_decay": 0.1}),
    )
    classes = {"sgd": torch.optim.SGD, "rmsprop": torch.optim.RMSprop, "adam": torch.optim.Adam,
               "adamw": torch.optim.AdamW}
    for op, case, attrs in cases:
        prefix = f"{op}/{case}/"
        p = draw(prefix + "p0", normal(3, 4)).requires_grad_()
        options = dict(attrs)
        if "beta1" in options:
            options["betas"] = (options.pop("beta1"), options.pop("beta2"))
        optimizer = classes[op]([p], foreach=False, **options)
        params, grads = [r.put(prefix + "p0", p)], []
        for step in range(5):
            p.grad = draw(f"{prefix}g{step}", normal(3, 4))
            grads.append(r.put(f"{prefix}g{step}", p.grad))
            optimizer.step()
            params.append(r.put(f"{prefix}p{step + 1}", p))
        r.cases.append({"name": f"{op}/{case}", "op": op, "attrs": attrs, "params": params, "grads": grads})


def main():
    parser = argparse.ArgumentParser(description="Record PyTorch's results as reference data for Fovea's tests.")
    default = Path(__file__).resolve().parent.parent / "autograd" / "testdata"
    parser.add_argument("--out", type=Path, default=default, help="folder to write to (default: %(default)s)")
    parser.add_argument("--check", action="store_true", help="write nothing, compare with what is there")
    args = parser.parse_args()

    ops, optimizers = Recorder(), Recorder()
    for record in (record_convolutions, record_pooling, record_linear_and_norm, record_activations,
                   record_arithmetic_and_shapes, record_losses):
        record(ops)
    record_optimizers(optimizers)
    if args.check:
        if differences := ops.check(args.out, "ops") + optimizers.check(args.out, "optim"):
            sys.exit("\n".join(differences))
    else:
        args.out.mkdir(parents=True, exist_ok=True)
        ops.save(args.out, "ops")
        optimizers.save(args.out, "optim")
    print(f"{len(ops.cases)} cases of operations, {len(optimizers.cases)} of optimizers in {args.out}")


if __name__ == "__main__":
    main()
