#!/usr/bin/python3
"""Does every network learn? Trains experiments/learning/NAME.textproto on a synthetic world.

    learn.py MUSTER [--networks stsrn,trl] [--ranks 2] [--seeds 1,2] [--json] [--markdown]

For each network and seed: the world that its experiment names, as `muster synth` makes it, a training of
0 steps and a whole one, and rank-1 in percent on the same held-out people under the experiment's metric:

  stripes    mean RGB of six horizontal stripes over all frames
  centred    the same, less each camera's mean over the training people
  untrained  the network before its first step
  trained    after its last

`seconds` is the training by the clock, `processor` the time that all its ranks computed: on cores that
do nothing else the second is about `ranks` times the first.

Exits 1 unless everywhere: 50 people or more, trained at least 20 points above untrained and 10 above
both stripes and centred, and less than 4 minutes of processor time for each rank.
"""
import argparse
import json
import os
import pathlib
import platform
import re
import sys
import tempfile

from held_out_people import SOURCE, make_store, score, score_stripes, train

EXPERIMENTS = SOURCE / "experiments" / "learning"
SECONDS_PER_RANK = 240
COLUMNS = ["network", "world", "seed", "people", "stripes", "centred", "untrained", "trained",
           "seconds", "processor", "holds"]


def world_of(spec):
    named = re.findall(r'train: *"([^"]*)"', spec.read_text())
    if len(named) != 1:
        raise SystemExit(f"{spec}: names {len(named)} stores to train on, not one")
    return named[0]


def holds(row, ranks):
    return (row["people"] >= 50 and row["trained"] - row["untrained"] >= 0.2 and
            row["trained"] - max(row["stripes"], row["centred"]) >= 0.1 and
            row["processor"] < SECONDS_PER_RANK * ranks)


def measure(muster, network, seed, ranks, settings, stores, directory):
    spec = EXPERIMENTS / f"{network}.textproto"
    world = world_of(spec)
    store = make_store(muster, world, seed, stores)
    settings = [f"training.seed={seed}"] + settings
    train(muster, spec, world, store, directory, "untrained", 1, settings + ["training.steps=0"])
    untrained, features = score(muster, world, store, directory, "untrained")
    seconds, processor = train(muster, spec, world, store, directory, "trained", ranks, settings)
    trained, _ = score(muster, world, store, directory, "trained", "probe,gallery")
    row = {"network": network, "world": world, "seed": seed, "people": trained["queries"],
           "stripes": score_stripes(muster, store, features, directory, False),
           "centred": score_stripes(muster, store, features, directory, True),
           "untrained": untrained["rank"]["1"], "trained": trained["rank"]["1"],
           "seconds": seconds, "processor": processor, "metric": trained["metric"]}
    row["holds"] = holds(row, ranks)
    provenance = json.loads((directory / "trained" / "provenance.json").read_text())
    row["commit"] = provenance.get("commit", "")
    return row


def processor_name():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def line_of(row):
    cells = []
    for name in COLUMNS:
        value = row[name]
        if name in ("stripes", "centred", "untrained", "trained"):
            value = f"{100 * value:.1f}"
        elif name in ("seconds", "processor"):
            value = f"{value:.0f}"
        elif name == "holds":
            value = "yes" if value else "NO"
        cells.append(str(value))
    return "| " + " | ".join(cells) + " |"


def networks_there():
    return sorted(path.stem for path in EXPERIMENTS.glob("*.textproto"))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("muster", type=pathlib.Path)
    parser.add_argument("--networks", default=",".join(networks_there()))
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE",
                        help="change every experiment")
    parser.add_argument("--json", action="store_true", help="print JSON when done")
    parser.add_argument("--markdown", action="store_true", help="print docs/models.md's table")
    options = parser.parse_args()
    networks = options.networks.split(",")
    for network in networks:
        if network not in networks_there():
            raise SystemExit(f"network '{network}' has no experiment; choose among: "
                             + ", ".join(networks_there()))
    heading = "| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS)
    print(heading, file=sys.stderr)
    rows = []
    with tempfile.TemporaryDirectory(prefix="muster-learn-") as stores:
        for network in networks:
            for seed in map(int, options.seeds.split(",")):
                with tempfile.TemporaryDirectory(prefix="muster-learn-") as directory:
                    rows.append(measure(options.muster.resolve(), network, seed, options.ranks,
                                        options.set, pathlib.Path(stores),
                                        pathlib.Path(directory)))
                print(line_of(rows[-1]), file=sys.stderr, flush=True)
    machine = f"{processor_name()}, {os.cpu_count()} cores, {options.ranks} ranks"
    if options.markdown:
        print(heading, *map(line_of, rows), "", sep="\n")
        print(f"Commit {rows[0]['commit']}; {machine}.")
    if options.json:
        print(json.dumps({"machine": machine, "rows": rows}))
    sys.exit(0 if all(row["holds"] for row in rows) else 1)


if __name__ == "__main__":
    main()
