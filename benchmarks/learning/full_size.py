#!/usr/bin/python3
"""One training step of each network at its published size: seconds and memory.

    full_size.py MUSTER [--networks trl,stal] [--ranks 1] [--json] [--markdown]

Widths, inputs and frames are the paper's; the batch is the paper's where the paper has one. The
pictures are synthetic. Exits 1 unless every step runs, in less than 24 GiB for all ranks together.
"""
import argparse
import json
import pathlib
import re
import sys
import tempfile
import time

from held_out_people import make_store, run
from learn import processor_name

# What one clip of the batch is; `paper` is the paper's own batch.
STEPS = {
    "stsrn": ("stsrn { }", "sampler: PAIRS size: 1 frames: 16",
              "identity { weight: 2 } verification { }", "one pair of 16 frames"),
    "cnn_rnn": ("cnn_rnn { }", "sampler: PAIRS size: 1 frames: 16",
                "identity { weight: 2 } verification { }", "one pair of 16 frames"),
    "trl": ("trl { }", "sampler: TRACKLETS size: 12 frames: 10", "identity { }", "12 clips of 10"),
    "tam_srm": ("tam_srm { }", "identities: 16 clips: 2 frames: 6",
                "video_triplet { margin: 0.3 normalise: true } pair { }", "16 x 2 clips of 6 (ours)"),
    "stal": ("stal { }", "sampler: TRIPLETS size: 1 frames: 8", "identity { } attentive_triplet { }",
             "one triplet of 8 frames"),
    "rru_stim": ("rru_stim { }", "identities: 10 clips: 2 frames: 8",
                 "identity { } video_triplet { } part_triplet { }", "10 x 2 clips of 8"),
    "pose_network": ("pose_network { }", "sampler: FRAMES size: 32", "heat_map { }", "ours"),
}
SPEC = """data {{ train: "prid2011" protocol: "random-half" }} model {{ {model} }}
training {{ steps: 1 batch {{ {batch} }} loss {{ {loss} }} optimizer {{ sgd {{ }} learning_rate: 0.001 }} }}
"""
LIMIT_GIB = 24
COLUMNS = ["network", "batch", "paper's batch", "clips", "seconds", "GiB"]


def measure(muster, network, store, directory, ranks):
    model, batch, loss, paper = STEPS[network]
    spec = directory / f"{network}.textproto"
    spec.write_text(SPEC.format(model=model, batch=batch, loss=loss))
    launch = [] if ranks == 1 else ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to",
                                    "none", "-n", ranks]
    report = directory / f"{network}.memory"
    begin = time.monotonic()
    run([*launch, "/usr/bin/time", "-a", "-o", report, "-f", "%M", muster, "train", "--spec", spec,
         "--store", f"prid2011={store}", "--run", directory / network])
    step = json.loads((directory / network / "progress.jsonl").read_text().splitlines()[0])
    gib = sum(map(int, re.findall(r"^\d+$", report.read_text(), re.M))) / 2 ** 20
    return {"network": network, "batch": batch, "paper's batch": paper,
            "clips": round(step["clips_per_second"] * sum(step["phase_seconds"].values())),
            "seconds": round(sum(step["phase_seconds"].values()), 1), "GiB": round(gib, 1),
            "whole": round(time.monotonic() - begin, 1)}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("muster", type=pathlib.Path)
    parser.add_argument("--networks", default=",".join(STEPS))
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="muster-full-size-") as folder:
        folder = pathlib.Path(folder)
        store = make_store(options.muster.resolve(), "prid2011", 1, folder)
        for network in options.networks.split(","):
            if network not in STEPS:
                raise SystemExit(f"network '{network}' is not known; choose among: "
                                 + ", ".join(STEPS))
            rows.append(measure(options.muster.resolve(), network, store, folder, options.ranks))
            print(rows[-1], file=sys.stderr, flush=True)
    if options.markdown:
        print("| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS))
        for row in rows:
            print("| " + " | ".join(str(row[name]) for name in COLUMNS) + " |")
        print(f"\n{processor_name()}, {options.ranks} rank(s).")
    if options.json:
        print(json.dumps(rows))
    sys.exit(0 if all(row["GiB"] < LIMIT_GIB for row in rows) else 1)


if __name__ == "__main__":
    main()
