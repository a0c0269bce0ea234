#!/usr/bin/python3
"""Is a synthetic world worth learning? Rank-1 on held-out people of what learns nothing and of STSRN.

    worth_learning.py MUSTER [--seeds 1,2,3] [--worlds prid2011,ilids-vid] [--ranks 2] [--json]

For each world and seed: render, ingest, train experiments/quickstart.textproto for 0 steps and whole, and
compare on the same held-out people:

  stripes    mean RGB of six horizontal stripes over all frames
  centred    the same, less each camera's mean over the training people
  untrained  the network before its first step
  trained    after its last

Exits 1 unless everywhere: 50 people or more, stripes and centred < 50, untrained < 40, trained >= 60 and
20 points above the best of the others.
"""
import argparse
import json
import pathlib
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "benchmarks" / "learning"))
from held_out_people import make_store, score, score_stripes, train  # noqa: E402


def measure(muster, world, seed, ranks, directory):
    spec = SOURCE / "experiments" / "quickstart.textproto"
    store = make_store(muster, world, seed, directory)
    at_seed = [f"training.seed={seed}"]
    train(muster, spec, world, store, directory, "untrained", 1, at_seed + ["training.steps=0"])
    untrained, features = score(muster, world, store, directory, "untrained")
    train(muster, spec, world, store, directory, "trained", ranks, at_seed)
    trained, _ = score(muster, world, store, directory, "trained")
    row = {"world": world, "seed": seed, "people": trained["queries"],
           "stripes": score_stripes(muster, store, features, directory, False),
           "centred": score_stripes(muster, store, features, directory, True),
           "untrained": untrained["rank"]["1"], "trained": trained["rank"]["1"]}
    row["holds"] = holds(row)
    return row


def holds(row):
    colours = max(row["stripes"], row["centred"])
    return (row["people"] >= 50 and colours < 0.5 and row["untrained"] < 0.4 and
            row["trained"] >= 0.6 and row["trained"] - max(colours, row["untrained"]) >= 0.2)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("muster", type=pathlib.Path)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--worlds", default="prid2011,ilids-vid")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    muster = options.muster.resolve()
    rows = []
    print("| world | seed | people | stripes | centred | untrained | trained | holds |\n"
          "|---|---|---|---|---|---|---|---|", file=sys.stderr)
    for world in options.worlds.split(","):
        for seed in map(int, options.seeds.split(",")):
            with tempfile.TemporaryDirectory(prefix="muster-worth-") as directory:
                row = measure(muster, world, seed, options.ranks, pathlib.Path(directory))
            rows.append(row)
            figures = " | ".join(f"{100 * row[name]:.1f}"
                                 for name in ("stripes", "centred", "untrained", "trained"))
            print(f"| {world} | {seed} | {row['people']} | {figures} | "
                  f"{'yes' if row['holds'] else 'NO'} |", file=sys.stderr, flush=True)
    if options.json:
        print(json.dumps(rows))
    sys.exit(0 if all(row["holds"] for row in rows) else 1)


if __name__ == "__main__":
    main()
