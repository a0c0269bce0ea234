#!/usr/bin/env python3
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
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import h5py
import numpy
from PIL import Image

SOURCE = pathlib.Path(__file__).resolve().parents[2]
STRIPES = 6
QUERY, GALLERY, TRAIN = 1, 2, 16


def run(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{command} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return done.stdout


def stripe_descriptors(store):
    """{(identity, camera): [18]} of every tracklet of a store with one tracklet for each pair."""
    described = {}
    for path in sorted(store.glob("shard-*.h5")):
        with h5py.File(path) as shard:
            jpeg, offset = shard["frames/jpeg"][:], shard["frames/jpeg_offset"][:]
            columns = {name: shard["tracklets/" + name][:]
                       for name in ("start", "length", "identity", "camera")}
        for row in range(len(columns["start"])):
            start = int(columns["start"][row])
            total = 0
            for frame in range(start, start + int(columns["length"][row])):
                data = jpeg[int(offset[frame]):int(offset[frame + 1])].tobytes()
                picture = numpy.asarray(Image.open(io.BytesIO(data)).convert("RGB"), dtype=float)
                total = total + numpy.array([part.mean((0, 1))
                                             for part in numpy.array_split(picture, STRIPES)])
            key = (int(columns["identity"][row]), int(columns["camera"][row]))
            described[key] = total.ravel() / int(columns["length"][row])
    return described


def score_stripes(muster, store, template, directory, centred):
    """Rows, roles and so the people are those of the network's own feature file."""
    described = stripe_descriptors(store)
    with h5py.File(template) as file:
        identity, camera, role = (file[name][:] for name in ("identity", "camera", "role"))
    features = numpy.array([described[key] for key in zip(identity.tolist(), camera.tolist())])
    if centred:
        for number in set(camera.tolist()):
            of_camera = camera == number
            features[of_camera] -= features[of_camera & (role == TRAIN)].mean(0)
    path = directory / f"stripes-{centred}.h5"
    with h5py.File(path, "w") as file:
        file["features"] = features.astype("float32")
        file["identity"], file["camera"], file["role"] = identity, camera, role
    return json.loads(run([muster, "score", "--features", path, "--json"]))["rank"]["1"]


def score_network(muster, world, store, directory, name, ranks, settings):
    spec = SOURCE / "experiments" / "quickstart.textproto"
    launch = []
    if ranks > 1:
        launch = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", ranks]
        if os.geteuid() == 0:
            launch.append("--allow-run-as-root")
    changes = [part for setting in settings for part in ("--set", setting)]
    features = directory / f"{name}.h5"
    run([*launch, muster, "train", "--spec", spec, "--set", f"data.train={world}", *changes,
         "--store", f"{world}={store}", "--run", directory / name])
    run([muster, "extract", "--run", directory / name, "--store", f"{world}={store}", "--role",
         "probe,gallery,train", "--features", features])
    return json.loads(run([muster, "score", "--features", features, "--json"])), features


def measure(muster, world, seed, ranks, directory):
    folder, store = directory / "world", directory / "store"
    run([muster, "synth", "--world", world, "--seed", seed, "--out", folder])
    run([muster, "ingest", "--layout", world, "--input", folder, "--store", store])
    at_seed = [f"training.seed={seed}"]
    untrained, features = score_network(muster, world, store, directory, "untrained", 1,
                                        at_seed + ["training.steps=0"])
    trained, _ = score_network(muster, world, store, directory, "trained", ranks, at_seed)
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
