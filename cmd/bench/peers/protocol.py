"""A peer of cmd/bench: it says which modules it lacks, prepares the job that comes on standard input, and then times as
many steps as each further line says, after one that it does not time. Every answer is a line of JSON on standard output."""
import importlib.util
import json
import os
import sys
import time

# Libraries print where they like: what they print goes to standard error, answers go out on a descriptor of their own.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

WARM_UP = 3


def forget_peak():
    """Make the system forget how much memory this process has had in RAM at most, as bench does for its own."""
    try:
        with open("/proc/self/clear_refs", "w") as f:
            f.write("5")
    except OSError:
        pass


def answer(**what):
    answers.write(json.dumps(what) + "\n")
    answers.flush()


def serve(modules, prepare):
    """prepare(job) returns the version, the number of parameters, and run(n), which ends when the work is done."""
    missing = [m for m in modules if importlib.util.find_spec(m) is None]
    answer(missing=missing)
    line = sys.stdin.readline()
    if missing or not line:
        return
    try:
        version, parameters, run = prepare(json.loads(line))
        run(WARM_UP)
        forget_peak()
        answer(version=version, parameters=parameters)
        for line in iter(sys.stdin.readline, ""):
            run(1)  # after a pause nothing is in the caches, and workers sleep
            begin = time.perf_counter()
            run(int(line))
            answer(seconds=time.perf_counter() - begin)
    except Exception as e:  # no C++ compiler for torch.compile, no memory, no such network
        first = (str(e).strip().splitlines() or [""])[0]
        answer(error=f"{type(e).__name__}: {first[:300]}")


