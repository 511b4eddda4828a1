#!/usr/bin/env python3
"""What TensorBoard itself reads of a folder of runs, as JSON.

    python -m venv VENV && VENV/bin/pip install tensorboard
    VENV/bin/python scripts/check_tensorboard.py FOLDER

It asks both of TensorBoard's readers, as its dashboards do: the one in Python, and the data server, which TensorBoard takes
where it is installed (it is on Linux and macOS). The JSON is {reader: {run: {tag: {"plugin": ..., "points": [[step, value]]}}}};
a value is a number ("nan", "inf"), a list of texts, a list of [left, right, count], or [width, height, the PNG in base64]. The tests of
nn/tensorboard and cmd/train compare it with what was written. Python is needed for the comparison only.
"""

import argparse
import base64
import json
import logging
import math
import sys

from tensorboard import context
from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
from tensorboard.data import server_ingester
from tensorboard.util import grpc_util, tensor_util

ALL = 1 << 30  # points of a tag: no sample of them


def values(provider):
    ctx, found = context.RequestContext(), {}

    def keep(plugin, tags, value):
        for run, by_tag in tags.items():
            for tag, points in by_tag.items():
                assert tag not in found.setdefault(run, {}), f"{tag} of {run} belongs to two plugins"
                found[run][tag] = {"plugin": plugin, "points": [[p.step, value(p)] for p in points]}

    def tensor(point):
        return [t.decode() for t in point.numpy.reshape(-1)] if point.numpy.dtype == object else point.numpy.tolist()

    def picture(point):
        width, height, png = [provider.read_blob(ctx, blob_key=v.blob_key) for v in point.values]
        return [int(width), int(height), base64.b64encode(png).decode()]

    for plugin in provider.list_plugins(ctx, experiment_id=""):
        asked = {"experiment_id": "", "plugin_name": plugin, "downsample": ALL}
        keep(plugin, provider.read_scalars(ctx, **asked), lambda p: p.value if math.isfinite(p.value) else str(p.value))
        keep(plugin, provider.read_tensors(ctx, **asked), tensor)
        keep(plugin, provider.read_blob_sequences(ctx, **asked), picture)
    return found


def python_reader(folder):
    plugins = ("scalars", "text", "histograms", "images", "hparams")
    runs = plugin_event_multiplexer.EventMultiplexer(tensor_size_guidance={p: 0 for p in plugins})
    runs.AddRunsFromDirectory(folder)
    runs.Reload()
    return values(data_provider.MultiplexerDataProvider(runs, folder))


def data_server(folder):
    plugins = ("scalars", "text", "histograms", "images", "hparams")
    server = server_ingester.SubprocessServerDataIngester(
        server_ingester.get_server_binary(), folder, reload_interval=0,
        channel_creds_type=grpc_util.ChannelCredsType.LOCAL, samples_per_plugin={p: 0 for p in plugins})
    server.start()
    return values(server.data_provider)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("folder")
    folder = arguments.parse_args().folder
    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    found = {"python": python_reader(folder)}
    try:
        found["server"] = data_server(folder)
    except server_ingester.NoDataServerError as e:
        print(f"no data server: {e}", file=sys.stderr)
    json.dump(found, sys.stdout, allow_nan=False)


if __name__ == "__main__":
    main()
