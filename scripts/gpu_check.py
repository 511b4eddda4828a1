#!/usr/bin/env python3
"""Checks Fovea on a machine with a GPU and no Go toolchain: bin/gpu/check.tar.xz (scripts/gpu_check_build.sh) is unpacked,
every suite that runs on a device runs on cuda:0, a network is trained on MNIST, and the networks are measured against PyTorch.
What fails does not stop the rest; the exit code is 1 if something failed. `make gpu-check` calls this.

Results go to build/gpu-check: report.md, tests.log, bench.jsonl, rooflines; the report to docs/benchmarks too, and all of it
to $OUT if that is set. A call that follows, of the same build on the same GPU, goes on with what was not measured yet.

  gpu_check.py                     tests, then measurements
  gpu_check.py tests | bench       one half
  gpu_check.py bench --seconds 570 nothing is begun that would not end by then
  gpu_check.py --emulated          the whole way on the emulated GPU, much shortened: it checks this script and the pack
"""
import argparse
import datetime
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time

sys.dont_write_bytecode = True
import gpu_report  # noqa: E402, beside this file

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PACK = os.path.join(ROOT, "bin", "gpu", "check.tar.xz")
PYTHON = os.environ.get("FOVEA_PEER_PYTHON", "python3")
DRIVER, LIBRARIES = "libcuda.so.1", ["libcublasLt.so.13", "libcudnn.so.9"]

MODELS = ["resnet50", "resnet18", "vgg16", "alexnet"]
PRECISIONS = ["bf16", "tf32", "fp32"]
WORKS = ["train", "infer"]
BATCHES = [256, 64]
LEAST_ACCURACY = 0.97  # on MNIST's test set after one epoch

# What --emulated makes of that. Whole suites are run where they are quick; of the others the examples, so that each starts.
SHORT_MODELS, SHORT_BATCHES = ["mlp", "cnn-small"], [2]
SHORT_SUITES = ["device/cuda", "nn/optim", "nn/weights"]


def say(text):
    print(f"gpu-check: {text}", flush=True)


class Check:
    def __init__(self, options):
        self.options = options
        self.begin = time.monotonic()
        self.results = os.path.join(ROOT, "build", "gpu-check" + ("-emulated" if options.emulated else ""))
        self.folder = os.path.join(self.results, "unpacked")
        self.failed = []

    def left(self):
        """Seconds until the limit."""
        return self.options.seconds - (time.monotonic() - self.begin) if self.options.seconds else float("inf")

    def path(self, *names):
        return os.path.join(self.results, *names)

    def unpack(self):
        if not os.path.exists(PACK):
            sys.exit(f"gpu-check: no {os.path.relpath(PACK, ROOT)}: run make gpu-check-build where Go is, and carry bin/gpu here")
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        with tarfile.open(PACK) as pack:
            pack.extractall(self.folder)
        self.folder = os.path.join(self.folder, "check")
        self.commit = read(os.path.join(self.folder, "commit")).strip()

    # ---- what this machine has

    def environment(self):
        """The environment of our programs: where they find the libraries."""
        env = dict(os.environ, FOVEA_TEST_DEVICE="cuda:0")
        if self.options.emulated:
            env["FOVEA_EMU_HIDDEN"] = "1"  # tests take it for a GPU
            places = [os.path.join(ROOT, "device", "cuda", "emulator", "build")]
            if not os.path.exists(os.path.join(places[0], DRIVER)):
                sys.exit(f"gpu-check: no {DRIVER} in {os.path.relpath(places[0], ROOT)}: run make emulator")
        else:
            places, missing = find_libraries()
            for name in missing:
                say(f"{name} was not found; docs/cuda.md says where it may come from")
        if places:
            env["LD_LIBRARY_PATH"] = ":".join(places + [p for p in [env.get("LD_LIBRARY_PATH")] if p])
        return env

    def machine(self):
        """What the report says of this machine, and whether PyTorch sees the GPU."""
        gpu = output(["nvidia-smi", "--query-gpu=name,driver_version,memory.total,power.limit", "--format=csv,noheader", "--id=0"])
        self.gpu, self.driver, memory, power = (gpu.split(", ") + [""] * 4)[:4] if gpu else ("", "", "", "")
        if self.options.emulated:
            self.gpu, self.driver = "the emulated GPU", "the emulator's"
        elif not gpu:
            say("nvidia-smi does not answer: there may be no driver here")
        torch = output([PYTHON, "-c", TORCH])
        self.torch = json.loads(torch) if torch else {"version": None, "reason": f"{PYTHON} has no PyTorch"}
        self.peer = self.torch.get("reason") is None
        facts = {
            "GPU": " ".join(filter(None, [self.gpu or "unknown", memory and f"({memory}, {power})"])),
            "driver": self.driver or "unknown",
            "Fovea": self.commit,
            "libraries": self.env.get("LD_LIBRARY_PATH", "the system's"),
            "PyTorch": "{version}, CUDA {cuda}, cuDNN {cudnn}".format(**self.torch) if self.peer else f"not compared with: {self.torch['reason']}",
        }
        for name, fact in facts.items():
            say(f"{name}: {fact}")
        return facts

    # ---- the tests

    def tests(self):
        rows = []
        with open(self.path("tests.log"), "w") as log:
            for line in read(os.path.join(self.folder, "suites")).splitlines():
                suite, binary = line.split()
                row = self.suite(suite, os.path.join(self.folder, "tests", binary), log)
                rows.append(row)
                say("{suite}: {result}, {passed} passed, {skipped} skipped, {failures} failed, {seconds:.0f} s".format(failures=len(row["failed"]), **row))
            rows.append(self.train(log))
            say("training: " + rows[-1]["result"])
        with open(self.path("tests.json"), "w") as sink:
            json.dump(rows, sink, indent=1)

    def suite(self, suite, binary, log):
        args = [binary, "-test.v"]
        if self.options.emulated:
            args += ["-test.short"] + ([] if suite in SHORT_SUITES else ["-test.run=^Example"])
        begin = time.monotonic()
        # Tests read testdata beside their sources.
        code, text = run(args, cwd=os.path.join(ROOT, suite), env=self.env, limit=min(self.left(), 600))
        log.write(f"==== {suite}\n{text}\n")
        outcome = {"PASS": [], "FAIL": [], "SKIP": []}
        reasons, last = {}, ""
        for line in text.splitlines():
            found = re.match(r"\s*--- (PASS|FAIL|SKIP): (\S+)", line)
            if found:
                outcome[found[1]].append(found[2])
                if found[1] == "SKIP":
                    reasons.setdefault(last, []).append(found[2])
            elif re.match(r"\s+\S+\.go:\d+: ", line):
                last = line.split(": ", 1)[1]
        ok = code == 0 and not outcome["FAIL"] and re.search(r"^PASS$", text, re.M)
        if not ok:
            self.failed.append(f"tests of {suite}")
            print(text[-3000:])
        return {"suite": suite, "result": "ok" if ok else "timed out" if code is None else f"FAILED (exit code {code})",
                "passed": len(outcome["PASS"]), "skipped": len(outcome["SKIP"]), "failed": outcome["FAIL"], "reasons": reasons,
                "seconds": time.monotonic() - begin}

    def train(self, log):
        row = {"suite": "training", "passed": 0, "skipped": 0, "failed": [], "reasons": {}, "seconds": 0.0}
        data = os.path.join(self.folder, "mnist")
        if not os.path.isdir(data) and not self.options.emulated:
            return dict(row, result="skipped: there was no MNIST in the cache where the pack was built", skipped=1)
        out = self.path("run")
        shutil.rmtree(out, ignore_errors=True)
        args = [os.path.join(self.folder, "train"), "--device", "cuda:0", "--epochs", "1", "--out", out, "--log", "json"]
        if self.options.emulated:
            args += ["--data", "npz:" + os.path.join(ROOT, "data", "testdata", "classes.npz"), "--model", "mlp"]
        else:
            args += ["--data-dir", data]
        begin = time.monotonic()
        code, text = run(args, env=self.env, limit=min(self.left(), 300))
        log.write(f"==== {' '.join(args)}\n{text}\n")
        row["seconds"] = time.monotonic() - begin
        accuracy = re.search(r'"event":"done".*"test_accuracy":([0-9.]+)', text)
        if code != 0 or not accuracy:
            self.failed.append("training")
            print(text[-3000:])
            return dict(row, result=f"FAILED (exit code {code})")
        result = f"one epoch of {'mlp on six pictures' if self.options.emulated else 'cnn-small on MNIST'}: test accuracy {accuracy[1]}"
        if not self.options.emulated and float(accuracy[1]) < LEAST_ACCURACY:
            self.failed.append("training")
            return dict(row, result=f"FAILED: {result}, expected at least {LEAST_ACCURACY}")
        return dict(row, result=result, passed=1)

    # ---- the measurements

    def bench(self):
        models, batches = (SHORT_MODELS, SHORT_BATCHES) if self.options.emulated else (MODELS, BATCHES)
        have = {gpu_report.key(line) for line in self.lines() if "error" not in line}
        for precision in PRECISIONS:
            for batch in batches:
                for work in WORKS:
                    missing = [m for m in models if (precision, work, batch, m) not in have]
                    while missing:
                        if self.left() < 60:
                            say("no time left; call again to go on")
                            return
                        missing = self.group(precision, work, batch, missing)

    def group(self, precision, work, batch, models):
        """Measures models in one process and returns those that are left after one has failed."""
        args = [os.path.join(self.folder, "bench"), "--work", work, "--models", ",".join(models), "--batch", str(batch), "--devices", "cuda:0", "--precision", precision, "--json"]
        args += ["--peer", "pytorch"] if self.peer else []
        args += ["--steps", "1"] if self.options.emulated else []
        if batch == (SHORT_BATCHES if self.options.emulated else BATCHES)[0] and work == "train":
            args += ["--plot", self.path(f"roofline-{precision}.svg")]
        command = " ".join(["bench"] + args[1:])
        say(command)
        with open(self.path("bench.log"), "w+") as log:
            code, text = run(args, env=self.env, limit=self.left() if self.options.seconds else 3600, stderr=log)
            log.seek(0)
            said = log.read()
        print(said, end="", flush=True)
        lines = [dict(json.loads(line), precision=precision, command=command) for line in text.splitlines() if line.startswith("{")]
        left = []
        if code is None and self.options.seconds:
            say("stopped: no time left")
        elif code != 0:  # at the first model without a line
            at = models[len(lines)] if len(lines) < len(models) else models[-1]
            why = "out of time" if code is None else (said.strip().splitlines() or [f"exit code {code}"])[-1]
            say(f"{at} failed: {why}")
            self.failed.append(f"{work} of {at}, batch {batch}, {precision}")
            lines.append({"model": at, "work": work, "batch": batch, "precision": precision, "command": command, "error": why})
            left = models[models.index(at) + 1:]
        with open(self.path("bench.jsonl"), "a") as sink:
            for line in lines:
                sink.write(json.dumps(line) + "\n")
        return left

    def lines(self):
        return [json.loads(line) for line in read(self.path("bench.jsonl")).splitlines()]

    # ---- all of it

    def run(self):
        os.makedirs(self.results, exist_ok=True)
        self.unpack()
        self.env = self.environment()
        facts = self.machine()
        # Results of another build or another GPU are not continued.
        state = json.dumps([self.commit, self.gpu, self.driver, self.options.emulated])
        if read(self.path("state")) != state or self.options.fresh or self.options.emulated:
            for name in ["tests.json", "tests.log", "bench.jsonl"]:
                if os.path.exists(self.path(name)):
                    os.remove(self.path(name))
        with open(self.path("state"), "w") as sink:
            sink.write(state)
        if "tests" in self.options.halves:
            self.tests()
        if "bench" in self.options.halves:
            self.bench()
        date = datetime.date.today().isoformat()
        tests = json.loads(read(self.path("tests.json")) or "[]")
        report = gpu_report.markdown(date, facts, " ".join(sys.argv), tests, self.lines(), self.options.emulated)
        with open(self.path("report.md"), "w") as sink:
            sink.write(report)
        if not self.options.emulated:
            shutil.copy(self.path("report.md"), os.path.join(ROOT, "docs", "benchmarks", f"gpu-{date}.md"))
        if os.environ.get("OUT"):
            for file in glob.glob(self.path("*.*")):
                if os.path.isfile(file):
                    shutil.copy(file, os.environ["OUT"])
        say(f"report: {os.path.relpath(self.path('report.md'), ROOT)}")
        if self.failed:
            say("failed: " + "; ".join(self.failed))
        return 1 if self.failed else 0


# Says in JSON what PyTorch finds; "reason" is why it cannot be compared with.
TORCH = """
import json
try:
    import torch
    found = {"version": torch.__version__, "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}
    try:
        torch.zeros(1, device="cuda")
    except Exception as e:
        found["reason"] = f"PyTorch {torch.__version__} sees no GPU: {str(e).strip().splitlines()[0]}"
except ImportError as e:
    found = {"reason": str(e)}
print(json.dumps(found))
"""


def read(path):
    try:
        with open(path) as source:
            return source.read()
    except FileNotFoundError:
        return ""


def output(args):
    """What a program prints, or nothing if it fails or is not there."""
    try:
        return subprocess.run(args, capture_output=True, text=True, timeout=120).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def run(args, limit=600, stderr=subprocess.STDOUT, **more):
    """The exit code (None: the time was over) and what was printed."""
    process = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=stderr, text=True, errors="replace", start_new_session=True, **more)
    try:
        text, _ = process.communicate(timeout=None if limit == float("inf") else max(limit, 1))
        return process.returncode, text
    except BaseException as e:  # an interrupt too must end it, with the children it may have
        os.killpg(process.pid, signal.SIGKILL)
        text, _ = process.communicate()
        if not isinstance(e, subprocess.TimeoutExpired):
            raise
        return None, text


def find_libraries():
    """Folders for LD_LIBRARY_PATH, and what is in none. PyTorch's own copies come first, so that both sides use the same."""
    python = output([PYTHON, "-c", "import sys; print('\\n'.join(sys.path))"]).splitlines()
    wheels = [p for folder in python for p in sorted(glob.glob(os.path.join(folder, "nvidia", "*", "lib")))]
    home = [os.path.join(os.environ[v], lib) for v in ["CUDA_HOME", "FOVEA_CUDA_DIR"] if os.environ.get(v) for lib in ["lib64", "lib"]]
    cache = [os.path.expanduser("~/.cache/fovea/cuda-13.0/lib")]
    candidates = wheels + home + sorted(glob.glob("/usr/local/cuda*/lib64"), reverse=True) + cache
    named = os.environ.get("LD_LIBRARY_PATH", "").split(":")
    system = output(["ldconfig", "-p"]) or output(["/sbin/ldconfig", "-p"])
    places, missing = [], []
    for name in [DRIVER] + LIBRARIES:
        there = [p for p in candidates if os.path.exists(os.path.join(p, name))]
        if any(p and os.path.exists(os.path.join(p, name)) for p in named):
            continue
        if there and name != DRIVER:
            places.append(there[0])
        elif f"{name} " not in system:
            missing.append(name)
    # Those libraries load others of the same wheels, such as libnvrtc.
    if any(p in wheels for p in places):
        places += wheels
    return list(dict.fromkeys(places)), missing


def main():
    parser = argparse.ArgumentParser(prog="gpu_check.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("halves", nargs="*", choices=["tests", "bench", []], metavar="tests|bench", help="one half; both if none is named")
    parser.add_argument("--seconds", type=float, default=0, help="begin nothing that would end later; 0: no limit")
    parser.add_argument("--fresh", action="store_true", help="measure all again")
    parser.add_argument("--emulated", action="store_true", help="on the emulated GPU, much shortened")
    options = parser.parse_args()
    options.halves = options.halves or ["tests", "bench"]
    sys.exit(Check(options).run())


if __name__ == "__main__":
    main()
