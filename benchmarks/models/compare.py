#!/usr/bin/python3
"""Clips per second of muster's networks and recurrent blocks beside the same in python3-torch.

Both sides have the same weights, inputs, precision (float32) and number of threads, and take turns: what
else the machine does hits both. First their outputs are compared. A ratio is muster's clips per second by
the peer's, the median over the rounds with the least and the largest.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
DIFFERENCE = 1e-3  # largest, of outputs and gradients, by the norm


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worker", default=HERE.parents[1] / "build/release/bin/muster-model-worker",
                        help="muster-model-worker (build/release/bin/)")
    parser.add_argument("--only", action="append", default=[], metavar="NAME",
                        help="this row only; again for more")
    parser.add_argument("--threads", type=int, default=1, help="of each side (1)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side (5)")
    parser.add_argument("--seconds", type=float, default=0.5, help="of a turn, at least (0.5)")
    parser.add_argument("--processor-time", action="store_true",
                        help="count processor time, for a busy machine; one thread")
    parser.add_argument("--long", action="store_true", help="the published sizes")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    if options.processor_time and options.threads != 1:
        parser.error("--processor-time says nothing about several threads")
    return options


OPTIONS = arguments()
# Before torch and its libraries read them; the worker inherits them.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = str(OPTIONS.threads)

import importlib  # noqa: E402
import pkgutil  # noqa: E402

import torch  # noqa: E402

sys.path[:0] = [str(HERE), str(HERE.parents[1] / "tests")]
import peers  # noqa: E402
import safetensors_file  # noqa: E402
from safetensors_file import write_tensors  # noqa: E402


def read_tensors(path):
    stored = safetensors_file.read_tensors(path)
    return {name: torch.from_numpy(value) for name, value in stored.items()}


def clock(process):
    """Seconds that `process` has been running, by the option's clock."""
    if not OPTIONS.processor_time:
        return time.perf_counter()
    nanoseconds = (pathlib.Path("/proc") / str(process) / "schedstat").read_text().split()[0]
    return int(nanoseconds) / 1e9


class Peer:
    """One side: the network in python3-torch."""

    def __init__(self, case):
        self.case = case
        torch.manual_seed(1)
        self.module = case.make()
        self.inputs = case.inputs()
        if case.block:
            for tensor in self.inputs.values():
                tensor.requires_grad_(True)
        self.calibrate()

    def calibrate(self):
        """Running statistics become those of the inputs: with others a deep signal dies."""
        norms = [module for module in self.module.modules()
                 if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)]
        for norm in norms:
            norm.momentum = 1
        self.module.train()
        with torch.no_grad():
            self.module(**self.inputs)
        for norm in norms:
            norm.momentum = 0.1

    def evaluate(self):
        self.module.eval()
        with torch.no_grad():
            return self.module(**self.inputs)

    def step(self):
        self.module.zero_grad(set_to_none=True)
        for tensor in self.inputs.values():
            tensor.grad = None
        self.module.train()
        sum(output.square().mean() for output in self.module(**self.inputs).values()).backward()

    def seconds(self, command, count):
        work = self.evaluate if command == "forward" else self.step
        start = clock(os.getpid())
        for _ in range(count):
            work()
        return clock(os.getpid()) - start

    def weights(self):
        return dict(self.case.weight(name, tensor)
                    for name, tensor in self.module.state_dict().items()
                    if not name.endswith("num_batches_tracked"))

    def outputs(self):
        return self.case.layout(self.evaluate())

    def gradients(self):
        weights = self.weights()  # a step moves running statistics
        self.step()
        found = dict(self.case.weight(name, value.grad)
                     for name, value in self.module.named_parameters())
        found.update((name, value.grad) for name, value in self.inputs.items())
        return weights, found


class Worker:
    """The other side: muster's."""

    def __init__(self, case, peer, folder):
        self.folder = folder
        write_tensors(folder / "weights", peer.weights())
        write_tensors(folder / "inputs", peer.inputs)
        self.process = subprocess.Popen(
            [str(OPTIONS.worker), case.block or "network", case.settings, str(case.identities),
             str(OPTIONS.threads), str(folder / "weights"), str(folder / "inputs")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.answer()  # ready

    def answer(self):
        line = self.process.stdout.readline().strip()
        if not line:
            sys.exit(f"compare.py: muster-model-worker ended with {self.process.wait()}")
        return line

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.answer()

    def seconds(self, command, count):
        start = clock(self.process.pid)
        self.ask(f"{command} {count}")
        return clock(self.process.pid) - start

    def tensors(self, command):
        self.ask(f"{command} {self.folder / 'answer'}")
        return read_tensors(self.folder / "answer")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def expect_equal(case, what, found, expected):
    if found.keys() != expected.keys():
        sys.exit(f"compare.py: {case.name}: {what} {sorted(found)} beside {sorted(expected)}")
    largest = max((value.norm() for value in expected.values()))
    for name, value in expected.items():
        # A gradient may be nothing but rounding, as a bias's before batch norm.
        difference = (found[name] - value).norm() / max(value.norm(), 1e-4 * largest)
        if not difference < DIFFERENCE:
            sys.exit(f"compare.py: {case.name}: {what} {name} differ by {difference:.2g}")


def count_of_a_turn(side, command):
    count = 1
    while (seconds := side.seconds(command, count)) < OPTIONS.seconds / 4:
        count *= 4
    return max(1, round(count * OPTIONS.seconds / seconds))


def measured(case, command, sides):
    """A row: both sides in turn, beginning with the one and with the other."""
    counts = []
    for side in sides:
        side.seconds("backward", 1)  # the most memory, which the allocator then has
        side.seconds(command, 1)
        counts.append(count_of_a_turn(side, command))
    rates = ([], [])
    clips = next(iter(sides[0].inputs.values())).shape[0]
    for turn in range(OPTIONS.rounds):
        for index in ((0, 1), (1, 0))[turn % 2]:
            seconds = sides[index].seconds(command, counts[index])
            rates[index].append(clips * counts[index] / seconds)
    ratios = [ours / theirs for theirs, ours in zip(*rates)]
    return {"name": case.name, "pass": "forward" if command == "forward" else "with backward",
            "size": case.size, "threads": OPTIONS.threads,
            "muster_clips_per_second": statistics.median(rates[1]),
            "torch_clips_per_second": statistics.median(rates[0]),
            "ratio": statistics.median(ratios), "least": min(ratios), "largest": max(ratios),
            "target": case.target}


def rows_of(case):
    peer = Peer(case)
    with tempfile.TemporaryDirectory() as folder:
        worker = Worker(case, peer, pathlib.Path(folder))
        try:
            expect_equal(case, "outputs", worker.tensors("outputs"), peer.outputs())
            if case.gradients:
                expect_equal(case, "gradients", worker.tensors("gradients"), peer.gradients()[1])
            for command in ("forward", "backward"):
                yield measured(case, command, (peer, worker))
        finally:
            worker.close()


def cells_of(row):
    return [row["name"], row["pass"], row["size"], f"{row['muster_clips_per_second']:.2f}",
            f"{row['torch_clips_per_second']:.2f}",
            f"{row['ratio']:.2f} ({row['least']:.2f} to {row['largest']:.2f})",
            f"{row['target']:.1f}" + (" missed" if row["ratio"] < row["target"] else "")]


def print_table(rows):
    lines = [["", "pass", "size", "muster clips/s", "torch clips/s", "ratio", "target"],
             *(cells_of(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines)]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())


def main():
    if not os.access(OPTIONS.worker, os.X_OK):
        sys.exit(f"compare.py: {OPTIONS.worker}: no such program; build the target muster-model-worker")
    torch.set_num_threads(OPTIONS.threads)
    modules = sorted(entry.name for entry in pkgutil.iter_modules(peers.__path__))
    cases = [case for name in modules
             for case in importlib.import_module("peers." + name).cases(OPTIONS.long)]
    unknown = set(OPTIONS.only) - {case.name for case in cases}
    if unknown:
        sys.exit(f"compare.py: --only {min(unknown)}: choose one of "
                 + ", ".join(dict.fromkeys(case.name for case in cases)))
    rows = []
    for case in cases:
        if not OPTIONS.only or case.name in OPTIONS.only:
            print(f"{case.name}, {case.size}", file=sys.stderr)
            rows.extend(rows_of(case))
    if OPTIONS.json:
        print(json.dumps(rows, indent=1))
    else:
        print_table(rows)


if __name__ == "__main__":
    main()
