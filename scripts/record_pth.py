"""Record files that PyTorch's torch.save writes, as the reference for Fovea's reader of them.

Rerun (seconds, no GPU):

    VENV/bin/python scripts/record_pth.py        # VENV has torch, safetensors and numpy

Recorded with Python 3.11.7, torch 2.15.0. Storages' addresses, which are in the older formats, differ from run to run.

Files, in nn/weights/pth/testdata:

  want.safetensors   every tensor of the files below, contiguous
  zip.pth, zip4.pth  a state dictionary in today's format, by pickle protocols 2 and 4
  stream.pth, stream4.pth   the same in the format before PyTorch 1.6
  tar.pth            the same in the format before PyTorch 0.1.10, which is written here after the reader in torch.serialization;
                     without bfloat16, which did not exist
  checkpoint.pth     the same, its names begun with "module.", as the state_dict of a checkpoint with an optimiser and a count
  two.pth            a checkpoint with two dictionaries of tensors of other names: refused
  module.pth         a whole network: refused
  system.pth         a pickle that would run a command: refused
  list.pth           a list of tensors: refused
  cnn-large.pth, cnn-large-pictures.npy, cnn-large-logits.npy   the state dictionary of the lecture's larger network on MNIST, in
                     float16, two pictures, and what the network makes of them in float64: for the programs' tests
"""

import io
import os
import pickle
import struct
import sys
import tarfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from record_torchvision import lecture, uniform, weights

FOLDER = Path(__file__).resolve().parent.parent / "nn" / "weights" / "pth" / "testdata"


class Command:
    def __reduce__(self):
        return os.system, ("echo this must never be seen",)


def tensors():
    def numbers(*shape, dtype=torch.float32):
        return (torch.arange(torch.Size(shape).numel(), dtype=torch.float64) / 4 - 3).reshape(shape).to(dtype)

    base, pool = numbers(6, 7), numbers(40)
    t = OrderedDict()
    t["float"] = numbers(2, 3)
    t["double"] = numbers(5, dtype=torch.float64)
    t["half"] = numbers(2, 2, dtype=torch.float16)
    t["brain"] = numbers(3, dtype=torch.bfloat16)
    t["bn.num_batches_tracked"] = torch.tensor(7)
    t["int"] = torch.arange(3, dtype=torch.int32)
    t["byte"] = torch.arange(4, dtype=torch.uint8)
    t["transposed"] = numbers(3, 4).t()
    t["channels_last"] = numbers(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    t["turned"] = numbers(2, 3, 4).permute(2, 0, 1)
    t["sliced"] = base[1:6:2, 1::2]
    t["column"] = base[:, 2:3]
    t["shared.first"] = pool[:12].view(3, 4)
    t["shared.last"] = pool[30:]
    t["tied"] = t["float"]
    t["scalar"] = torch.tensor(2.5)
    t["empty"] = numbers(0, 3)
    t["parameter"] = nn.Parameter(numbers(4))
    return t


def write_tar(t, path):
    storages, written, members = {}, OrderedDict(), {}
    for name, x in t.items():
        s = x.detach().storage()
        storages[s.data_ptr() or id(s)] = s
        written[name] = (len(written) + 1000, s.data_ptr() or id(s), x)

    out = io.BytesIO()
    pickle.dump(len(storages), out, protocol=2)
    for key, s in storages.items():
        pickle.dump((key, "cpu", getattr(torch, type_name(s.dtype) + "Storage")), out, protocol=2)
        out.write(struct.pack("<q", len(s)))
        out.write(bytes(s.untyped()))
    pickle.dump([], out, protocol=2)
    members["storages"] = out.getvalue()

    out = io.BytesIO()
    pickle.dump(len(written), out, protocol=2)
    for number, key, x in written.values():
        pickle.dump((number, key, getattr(torch, type_name(x.dtype) + "Tensor")), out, protocol=2)
        out.write(struct.pack("<i", x.dim()) + b"\0\0\0\0")
        out.write(struct.pack(f"<{x.dim()}q", *x.shape) + struct.pack(f"<{x.dim()}q", *x.stride()) + struct.pack("<q", x.storage_offset()))
    members["tensors"] = out.getvalue()

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj):
            return str(obj[1]) if isinstance(obj, tuple) and obj[:1] == ("number",) else None

    out = io.BytesIO()
    Pickler(out, protocol=2).dump(OrderedDict((name, ("number", number)) for name, (number, _, _) in written.items()))
    members["pickle"] = out.getvalue()
    members["sys_info"] = pickle.dumps({"protocol_version": 1000, "little_endian": True, "type_sizes": {"int": 4}}, protocol=2)
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for name in "sys_info", "pickle", "tensors", "storages":
            info = tarfile.TarInfo(name)
            info.size = len(members[name])
            tar.addfile(info, io.BytesIO(members[name]))


def type_name(dtype):
    return {torch.float32: "Float", torch.float64: "Double", torch.float16: "Half", torch.int64: "Long", torch.int32: "Int", torch.uint8: "Byte"}[dtype]


def write_network(name):
    """A network's state dictionary, in float16, and what it computes."""
    net = lecture(name, 10).double().eval()
    for entry, t in net.state_dict().items():
        t.copy_(torch.from_numpy(weights(entry, tuple(t.shape))).half())
    torch.save(OrderedDict((n, t.half()) for n, t in net.state_dict().items()), FOLDER / f"{name}.pth")
    pictures = uniform("pictures", (2, 1, 28, 28), 0, 1)
    np.save(FOLDER / f"{name}-pictures.npy", pictures)
    with torch.no_grad():
        np.save(FOLDER / f"{name}-logits.npy", net(torch.from_numpy(pictures).double()).numpy())


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    t = tensors()
    save_file({n: x.detach().clone(memory_format=torch.contiguous_format) for n, x in t.items()}, FOLDER / "want.safetensors")
    torch.save(t, FOLDER / "zip.pth")
    torch.save(t, FOLDER / "zip4.pth", pickle_protocol=4)
    torch.save(t, FOLDER / "stream.pth", _use_new_zipfile_serialization=False)
    torch.save(t, FOLDER / "stream4.pth", _use_new_zipfile_serialization=False, pickle_protocol=4)
    old = OrderedDict((n, x) for n, x in t.items() if x.dtype != torch.bfloat16)
    write_tar(old, FOLDER / "tar.pth")

    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.ones(4, 2)).sum().backward()
    optimizer.step()
    torch.save({"epoch": 3, "arch": "some", "best": torch.tensor(0.5), "state_dict": OrderedDict(("module." + n, x) for n, x in t.items()),
                "optimizer": optimizer.state_dict(), "rate": 0.1, "done": False, "none": None}, FOLDER / "checkpoint.pth")
    torch.save({"encoder": {"a": torch.ones(2)}, "decoder": {"b": torch.ones(3), "c": torch.ones(1)}}, FOLDER / "two.pth")
    torch.save(nn.Linear(2, 2), FOLDER / "module.pth")
    torch.save({"weight": torch.ones(1), "run": Command()}, FOLDER / "system.pth")
    torch.save([torch.ones(1)], FOLDER / "list.pth")
    write_network("cnn-large")

    for name in "zip", "zip4", "stream", "stream4", "tar":
        read = torch.load(FOLDER / f"{name}.pth", weights_only=False)
        want = old if name == "tar" else t
        if list(read) != list(want) or not all(torch.equal(read[n], want[n]) for n in want):
            sys.exit(f"PyTorch reads other tensors from {name}.pth")
    print(f"{len(t)} tensors in {FOLDER}")


if __name__ == "__main__":
    main()
