#!/usr/bin/python3
"""Models a training step on 8 to 1,024 GPUs from one GPU's measured computing; says where it stops
scaling and why.

    scaling.py --run RUN [--clips-of-all N]
    scaling.py --forward 0.050 --backward 0.100 --optimizer 0.004 --clips 4 --parameters 27e6 ...

RUN is a finished run of muster train: its phases (progress.jsonl, median), gradients and batch norms (its
weights) are those of the model; the options override them. The formulas are step_model.py's. Without
--clips-of-all every GPU keeps its clips; with it that batch is shared out, as a paper's must be.

Links by default are those of nodes with 8 H100: NVLink 4 with 450 GB/s and a 400 Gb/s adapter (50 GB/s) a
GPU, each direction (NVIDIA's data sheets of H100 and DGX H100), used at 80 %. Latencies of 3 and 8 us a
message are assumptions; measure yours (nccl-tests, all_reduce_perf -b 8) and give them.
"""
import argparse
import json
import pathlib
import statistics
import struct
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import step_model  # noqa: E402

COUNTS = [8, 16, 32, 64, 128, 256, 512, 1024]
WARM_UP_STEPS = 5
BYTES = 4  # of a float32


def parsed(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=pathlib.Path)
    for name, text in (("forward", "seconds, with the loss"), ("backward", "seconds"),
                       ("optimizer", "seconds"), ("clips", "that those are for"),
                       ("parameters", "number")):
        parser.add_argument(f"--{name}", type=float, help=text)
    parser.add_argument("--batch-norms", type=int, help="layers whose statistics are exchanged")
    parser.add_argument("--channels", type=float, default=256, help="of a batch norm, mean (256)")
    parser.add_argument("--fixed", type=float, default=0, help="seconds of forward and backward that "
                        "do not shrink with the clips, as starting kernels (0)")
    parser.add_argument("--compute-factor", type=float, default=1, help="of all measured seconds (1)")
    parser.add_argument("--bucket-bytes", type=int, help="as the trainer's: 4 MiB, of few gradients an eighth")
    parser.add_argument("--no-overlap", action="store_true")
    parser.add_argument("--signature-bytes", type=float, default=8192, help="of a clip, gathered (8192)")
    parser.add_argument("--clip-bytes", type=float, default=0, help="of a clip in the store")
    parser.add_argument("--storage-bandwidth", type=float, default=0,
                        help="bytes a second for all GPUs together; 0: no limit")
    parser.add_argument("--clips-of-all", type=int, default=0)
    parser.add_argument("--gpus", default=",".join(map(str, COUNTS)))
    parser.add_argument("--gpus-per-node", type=int, default=8)
    parser.add_argument("--node-bandwidth", type=float, default=0.8 * 450e9)
    parser.add_argument("--node-latency", type=float, default=3e-6)
    parser.add_argument("--network-bandwidth", type=float, default=0.8 * 50e9)
    parser.add_argument("--network-latency", type=float, default=8e-6)
    parser.add_argument("--picture", type=pathlib.Path, help="efficiency as SVG, by gnuplot")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if options.run is not None:
        take_run(options)
    missing = [name for name in ("forward", "backward", "optimizer", "clips", "parameters")
               if getattr(options, name) is None]
    if missing:
        parser.error(f"--{missing[0]} is not given, and neither is --run")
    return options


def weights_of(run):
    """Header of the run's newest weights: {name: {"shape": [...]}}."""
    path = max((run / "checkpoints").glob("step-*/model.safetensors"))
    with open(path, "rb") as file:
        length, = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return header


def take_run(options):
    lines = (options.run / "progress.jsonl").read_text().splitlines()
    steps = [json.loads(line) for line in lines[min(WARM_UP_STEPS, len(lines) // 2):]]

    def median(value):
        return statistics.median(value(step) for step in steps)

    ranks = json.loads((options.run / "provenance.json").read_text())["ranks"]
    sizes, norms = 0, []
    for name, entry in weights_of(options.run).items():
        number = 1
        for length in entry["shape"]:
            number *= length
        if name.endswith(".running_mean"):
            norms.append(number)
        elif not name.endswith((".running_var", ".running_mean")):
            sizes += number
    found = {
        "forward": median(lambda step: step["phase_seconds"]["forward"] + step["phase_seconds"]["loss"]),
        "backward": median(lambda step: step["phase_seconds"]["backward"]),
        "optimizer": median(lambda step: step["phase_seconds"]["optimizer"]),
        "clips": median(lambda step: round(step["clips_per_second"] *
                                           sum(step["phase_seconds"].values()))) / ranks,
        "parameters": sizes, "batch_norms": len(norms)}
    for name, value in found.items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    if norms:
        options.channels = statistics.mean(norms)


def bucket_sizes(size, bucket_bytes=None):
    bucket_bytes = bucket_bytes or min(4 << 20, max(128 << 10, int(size) // 8))
    whole, rest = divmod(int(size), bucket_bytes)
    return (bucket_bytes,) * whole + ((rest,) if rest else ())


def model_of(options):
    cluster = step_model.Cluster(
        options.gpus_per_node, step_model.Link(options.node_latency, options.node_bandwidth),
        step_model.Link(options.network_latency, options.network_bandwidth))
    factor = options.compute_factor
    # Forward: sums, squares and the number of values; backward as much.
    message = BYTES * (2 * options.channels + 1)
    work = step_model.Work(
        clips=options.clips, forward=factor * options.forward, backward=factor * options.backward,
        optimizer=factor * options.optimizer, fixed=options.fixed,
        buckets=bucket_sizes(BYTES * options.parameters, options.bucket_bytes),
        statistics=(message,) * (options.batch_norms or 0), signature_bytes=options.signature_bytes,
        clip_bytes=options.clip_bytes, overlap=not options.no_overlap)
    return cluster, work


def verdict(rows):
    row = step_model.stops_at(rows)
    if row is None:
        return f"scales to {rows[-1]['gpus']} GPUs: efficiency {rows[-1]['efficiency']:.2f}"
    reasons = "; ".join(f"{name} ({100 * share:.0f} % of what is lost)"
                        for name, share in row["why"][:2])
    return f"stops scaling at {row['gpus']} GPUs: efficiency {row['efficiency']:.2f}: {reasons}"


def draw(rows, path):
    lines = "\n".join(f"{row['gpus']} {row['efficiency']}" for row in rows)
    script = (f"set terminal svg size 640,400\nset output '{path}'\nset logscale x 2\n"
              "set xlabel 'GPUs'\nset ylabel 'efficiency'\nset yrange [0:1.05]\nset grid\n"
              f"$rows << END\n{lines}\nEND\n"
              f"plot $rows with linespoints lw 2 notitle, {step_model.STOP_BELOW} dt 2 notitle\n")
    subprocess.run(["gnuplot", "-d"], input=script, text=True, check=True)


def print_table(rows):
    print("  GPUs   clips  step ms  computing  statistics  gathers  exposed  data  efficiency")
    for row in rows:
        milliseconds = [1000 * row[name] for name in ("statistics", "gathers", "exposed", "data_wait")]
        computing = 1000 * (row["computing"] + row["fixed"] + row["optimizer"])
        print(f"{row['gpus']:6} {row['clips']:7.0f} {1000 * row['step']:8.2f} {computing:10.2f} "
              f"{milliseconds[0]:11.2f} {milliseconds[1]:8.2f} {milliseconds[2]:8.2f} "
              f"{milliseconds[3]:5.2f} {row['efficiency']:11.3f}")


def main():
    options = parsed()
    cluster, work = model_of(options)
    counts = [int(count) for count in options.gpus.split(",")]
    rows = step_model.table(cluster, work, counts, options.clips_of_all, options.storage_bandwidth)
    if options.picture:
        draw(rows, options.picture)
    if options.json:
        print(json.dumps({"rows": rows, "verdict": verdict(rows)}, indent=1))
    else:
        print_table(rows)
        print(verdict(rows))


if __name__ == "__main__":
    main()
