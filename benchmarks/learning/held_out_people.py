"""Rank-1 on held-out people of a synthetic world: of a network, and of descriptors that learn nothing."""
import io
import json
import os
import pathlib
import resource
import subprocess
import time

import h5py
import numpy
from PIL import Image

SOURCE = pathlib.Path(__file__).resolve().parents[2]
STRIPES = 6
TRAIN = 16  # the bit of `role`


def run(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{command} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return done.stdout


def make_store(muster, world, seed, directory):
    """The world as `muster synth` makes it, and its store: directory/WORLD-SEED."""
    store = directory / f"{world}-{seed}"
    if not store.exists():
        folder = directory / f"{world}-{seed}-pictures"
        run([muster, "synth", "--world", world, "--seed", seed, "--out", folder])
        run([muster, "ingest", "--layout", world, "--input", folder, "--store", store])
    return store


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
    """Rank-1 of six stripes' mean RGB; `centred`: less each camera's mean over the training people.

    Rows, roles and so the people are those of a network's feature file, `template`."""
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


def train(muster, spec, world, store, directory, name, ranks, settings):
    """Trains into directory/NAME; (wall-clock seconds, processor seconds of all ranks)."""
    launch = []
    if ranks > 1:
        launch = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", ranks]
        if os.geteuid() == 0:
            launch.append("--allow-run-as-root")
    changes = [part for setting in settings for part in ("--set", setting)]

    def processor_seconds():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    wall, processor = time.monotonic(), processor_seconds()
    run([*launch, muster, "train", "--spec", spec, "--set", f"data.train={world}", *changes,
         "--store", f"{world}={store}", "--run", directory / name])
    return time.monotonic() - wall, processor_seconds() - processor


def score(muster, world, store, directory, name, roles="probe,gallery,train"):
    """What muster score says of a run by its experiment's metric, and the feature file."""
    features = directory / f"{name}.h5"
    run([muster, "extract", "--run", directory / name, "--store", f"{world}={store}", "--role",
         roles, "--features", features])
    return json.loads(run([muster, "score", "--features", features, "--run", directory / name,
                           "--json"])), features
