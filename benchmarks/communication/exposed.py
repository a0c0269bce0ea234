#!/usr/bin/python3
"""What communication costs a training on two ranks of one machine, for every network at small size.

    exposed.py MUSTER [--networks stsrn,trl] [--steps 30] [--rounds 3] [--json]

Trains experiments/learning/NAME.textproto for a few steps on its synthetic world, one thread a rank, in
turns, in each round:

  overlap    two ranks, gradients travel during backward
  after      two ranks, gradients travel after backward (training.overlap=false)
  apart      two processes that know nothing of each other, side by side, each with half of the batch

and prints by network

  step       median seconds of a step of `overlap`, on rank 0
  exposed    what a step of `overlap` waits for sums of gradients, share of the step; target 5 %
  after      the same of `after`
  hidden     exposed by after, seconds; target 0.5
  beside     step by that of `apart`, the mean of its two; target 1.05
  data_wait  what a step of `overlap` waits for its batch, share of the step: the 99th percentile of all
             steps of all rounds; target 1 %

Of each run the first steps do not count; each figure is the median over the rounds with the least and the
largest. Waiting includes waiting for a slower rank: let the machine do nothing else.
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "benchmarks" / "learning"))
from held_out_people import make_store  # noqa: E402

EXPERIMENTS = SOURCE / "experiments" / "learning"
WARM_UP_STEPS = 5  # the order of the buckets is learned after the first
TARGETS = {"exposed": 0.05, "hidden": 0.5, "beside": 1.05, "data_wait": 0.01}
COLUMNS = ["exposed", "after", "hidden", "beside"]  # medians over the rounds


def world_of(spec):
    return re.search(r'train: *"([^"]*)"', spec.read_text()).group(1)


def half_of_the_batch(spec):
    """The setting that makes the batch half as large."""
    batch = re.search(r"\bbatch *{([^}]*)}", spec.read_text()).group(1)
    name = "size" if "sampler" in batch else "identities"
    size = int(re.search(rf"\b{name}: *(\d+)", batch).group(1))
    if size % 2 != 0:
        raise SystemExit(f"{spec}: {name}: {size} has no half")
    return f"training.batch.{name}={size // 2}"


def start(muster, spec, world, store, run, settings, launch=()):
    changes = [part for setting in settings for part in ("--set", setting)]
    command = [*launch, muster, "train", "--spec", spec, *changes, "--store", f"{world}={store}",
               "--run", run]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen([str(part) for part in command], env=environment,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def finish(process):
    _, text = process.communicate()
    if process.returncode != 0:
        raise SystemExit(f"{process.args} ended with {process.returncode}:\n{text[-3000:]}")


def steps_of(run):
    """[(seconds, seconds exposed, share of waiting for data, batch norm's messages and seconds)] of the
    steps that count."""
    lines = (run / "progress.jsonl").read_text().splitlines()[WARM_UP_STEPS:]
    steps = [(line["phase_seconds"], line["communication"]) for line in map(json.loads, lines)]
    return [(sum(phase.values()), phase["communication_exposed"],
             phase["data_wait"] / sum(phase.values()), traffic["statistics_messages"],
             traffic["statistics_seconds"]) for phase, traffic in steps]


def two_ranks(muster, spec, store, run, settings):
    launch = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", "2"]
    if os.geteuid() == 0:
        launch.append("--allow-run-as-root")
    finish(start(muster, spec, world_of(spec), store, run, settings, launch))
    steps = steps_of(run)
    seconds, exposed, waits, messages, norms = zip(*steps)
    return (statistics.median(seconds), statistics.median(exposed), waits,
            (statistics.median(messages), statistics.median(norms)))


def two_apart(muster, spec, store, directory, settings):
    settings = settings + [half_of_the_batch(spec)]
    runs = [directory / "left", directory / "right"]
    for process in [start(muster, spec, world_of(spec), store, run, settings) for run in runs]:
        finish(process)
    return statistics.mean(statistics.median(step[0] for step in steps_of(run))
                           for run in runs)


def measured_round(muster, network, store, steps, extra):
    spec = EXPERIMENTS / f"{network}.textproto"
    settings = [f"training.steps={WARM_UP_STEPS + steps}", *extra]
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        step, exposed, waits, norms = two_ranks(muster, spec, store, directory / "overlap", settings)
        step_after, after, _, _ = two_ranks(muster, spec, store, directory / "after",
                                      settings + ["training.overlap=false"])
        apart = two_apart(muster, spec, store, directory, settings)
    return {"step": step, "exposed": exposed / step, "after": after / step_after,
            "hidden": exposed / after if after > 0 else 0.0, "beside": step / apart, "apart": apart, "waits": waits,
            "norm_messages": norms[0], "norm_seconds": norms[1]}


def percentile_99(values):
    return statistics.quantiles(values, n=100, method="inclusive")[98]


def summary(network, rounds):
    row = {"network": network}
    for name in ["step", "apart", "norm_messages", "norm_seconds", *COLUMNS]:
        values = [each[name] for each in rounds]
        row[name] = {"median": statistics.median(values), "least": min(values),
                     "largest": max(values)}
    waits = [wait for each in rounds for wait in each["waits"]]
    row["data_wait"] = {"median": percentile_99(waits), "least": min(waits), "largest": max(waits)}
    row["usual_data_wait"] = statistics.median(waits)
    row["long_data_waits"] = sum(wait > TARGETS["data_wait"] for wait in waits) / len(waits)
    row["holds"] = all(row[name]["median"] <= target for name, target in TARGETS.items())
    return row


def line_of(row):
    cells = [f"{row['network']:10}", f"{1000 * row['step']['median']:7.1f} ms"]
    for name in [*COLUMNS, "data_wait"]:
        value, percent = row[name], name in ("exposed", "after", "data_wait")
        scale, digits = (100, 2) if percent else (1, 3)
        text = f"{scale * value['median']:.{digits}f}" + (" %" if percent else "")
        span = f"({scale * value['least']:.{digits}f} to {scale * value['largest']:.{digits}f})"
        cells.append(f"{text:>8} {span:19}")
    return "  ".join(cells) + ("  holds" if row["holds"] else "  ABOVE TARGET")


def main():
    names = sorted(path.stem for path in EXPERIMENTS.glob("*.textproto"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("muster", type=pathlib.Path)
    parser.add_argument("--networks", default=",".join(names))
    parser.add_argument("--steps", type=int, default=30, help="that count, of each run (30)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE",
                        help="of every training, as training.bucket_bytes=1048576")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    rows = []
    if not options.json:
        print(f"{'network':10}  {'step':>10}  {'exposed, target 5 %':28}  {'after':28}  "
              f"{'hidden, target 0.5':28}  {'beside, target 1.05':28}  data wait, target 1 %",
              flush=True)
    with tempfile.TemporaryDirectory() as stores:
        for network in options.networks.split(","):
            world = world_of(EXPERIMENTS / f"{network}.textproto")
            store = make_store(options.muster, world, 1, pathlib.Path(stores))
            rounds = [measured_round(options.muster, network, store, options.steps, options.set)
                      for _ in range(options.rounds)]
            rows.append(summary(network, rounds))
            if not options.json:
                print(line_of(rows[-1]), flush=True)
    if options.json:
        print(json.dumps({"targets": TARGETS, "rows": rows}, indent=1))
    return 0 if all(row["holds"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
