#!/usr/bin/python3
"""muster's training step on two ranks beside PyTorch's DistributedDataParallel, one thread a rank.

    against_ddp.py [--networks stsrn,trl] [--size small|full|both] [--rounds 5] [--json]

Same network, first weights, input tensors, losses and optimiser (trainings.py); gradients travel by MPI and
by gloo. muster's side is the trainer's own step (muster-step-worker), fed with tensors: no loader on either
side. The peer is what one writes in python3-torch, spared three kinds of messages: its batch norm and its
mining see a rank's own clips, and buffers are not broadcast. Both take turns; a ratio is muster's clips per
second by the peer's, the median over the rounds with the least and the largest. Sizes are those of
benchmarks/models/compare.py, clips of a rank those that take seconds.

First three steps of both, with dropout off and equal clips on both ranks, where local and global statistics
and triplets are the same: losses must agree to 1e-3 (small size alone).

Of each side's step it also prints the phases, by which one sees where a miss comes from; of muster's
waiting for gradients, what the last rank to arrive waits is communication, and the rest is the others'
waiting for that rank (late).
"""
import argparse
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
# Before torch and its libraries read them; both sides inherit them.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
sys.path[:0] = [str(HERE), str(HERE.parent / "models"), str(HERE.parents[1] / "tests")]
import torch  # noqa: E402
from ddp_peer import case_of  # noqa: E402
from rank_pipes import RankPipes  # noqa: E402
from safetensors_file import write_tensors  # noqa: E402
from trainings import TRAININGS, spec_of  # noqa: E402

BUILD = HERE.parents[1] / "build/release/bin"
RANKS, WARM_UP, CHECKED_STEPS, DIFFERENCE = 2, 2, 3, 1e-3
PHASES = ("forward", "backward", "exposed", "optimizer")


def mpirun(ranks=RANKS):
    as_root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
    return ["mpirun", *as_root, "--oversubscribe", "--bind-to", "none", "-n", str(ranks)]


def write_inputs(name, case, clips, folder, equal):
    for rank in range(RANKS):
        source = 0 if equal else rank
        torch.manual_seed(2 + source)
        inputs = case.inputs()
        while next(iter(inputs.values())).shape[0] < clips:
            inputs = {key: torch.cat([value, case.inputs()[key]]) for key, value in inputs.items()}
        inputs = {key: value[:clips].contiguous() for key, value in inputs.items()}
        labels = torch.tensor(TRAININGS[name].labels(clips, source), dtype=torch.float32)
        write_tensors(folder / f"inputs-{rank}", {**inputs, "labels": labels})


@contextlib.contextmanager
def both_sides(name, size, worker, dropout, equal):
    """Peer and muster, ready, with the same weights and inputs."""
    with tempfile.TemporaryDirectory(prefix="muster-ddp-") as directory:
        folder = pathlib.Path(directory)
        case, clips = case_of(name, size == "full"), TRAININGS[name].clips[size]
        sides = []
        for side in ("peer", "muster"):
            (folder / side).mkdir()
            write_inputs(name, case, clips, folder / side, equal)
        settings = case.settings
        if not dropout and TRAININGS[name].dropout:
            settings = settings[:settings.rindex("}")] + " dropout: 0 }"
        (folder / "spec").write_text(spec_of(name, settings))
        peer = [[sys.executable, HERE / "ddp_peer.py", name, size, str(rank), folder / "peer",
                 "yes" if dropout else "no"] for rank in range(RANKS)]
        ours = [[*mpirun(), worker, folder / "spec", str(case.identities), "1",
                 folder / "peer" / "weights", folder / "muster"]]
        try:
            for side, commands in (("peer", peer), ("muster", ours)):
                sides.append(RankPipes(folder / side, RANKS, lambda commands=commands: [
                    subprocess.Popen(command, stdin=subprocess.DEVNULL) for command in commands]))
            yield sides
        finally:
            for side in sides:
                side.close()


def check_losses(name, worker):
    """Largest relative difference of the losses of the first steps."""
    with both_sides(name, "small", worker, dropout=False, equal=True) as sides:
        theirs, ours = (side.steps(CHECKED_STEPS)[0]["loss"] for side in sides)
    difference = max(abs(left - right) / abs(left) for left, right in zip(theirs, ours))
    if not difference < DIFFERENCE:
        raise SystemExit(f"against_ddp.py: {name}: losses {ours} beside {theirs}")
    return difference


def phases_of(answers):
    """Medians of rank 0's phases, seconds a step; `late`: its waiting for the other rank."""
    found = {name: statistics.median(answers[0][name]) for name in PHASES if name in answers[0]}
    if "exposed" in found:
        waits = list(zip(*(answer["exposed"] for answer in answers)))
        found["last_waits"] = statistics.median(min(wait) for wait in waits)
        found["late"] = statistics.median(max(wait) - min(wait) for wait in waits)
    return found


def median_phases(turns):
    return {name: statistics.median(turn[name] for turn in turns) for name in turns[0]}


def measure(name, size, options):
    training = TRAININGS[name]
    with both_sides(name, size, options.worker, dropout=True, equal=False) as sides:
        counts = []
        for side in sides:
            side.steps(1)
            seconds = max(answer["seconds"] for answer in side.steps(WARM_UP)) / WARM_UP
            counts.append(max(1, round(options.seconds / seconds)))
        seconds, phases = ([], []), ([], [])
        for turn in range(options.rounds):
            for index in ((0, 1), (1, 0))[turn % 2]:
                answers = sides[index].steps(counts[index])
                seconds[index].append(max(each["seconds"] for each in answers) / counts[index])
                phases[index].append(phases_of(answers))
    ratios = [theirs / ours for theirs, ours in zip(*seconds)]
    clips = RANKS * training.clips[size]
    return {"network": name, "size": size, "clips": clips,
            "muster_clips_per_second": clips / statistics.median(seconds[1]),
            "torch_clips_per_second": clips / statistics.median(seconds[0]),
            "ratio": statistics.median(ratios), "least": min(ratios), "largest": max(ratios),
            "target": training.target, **facts_of(name, size),
            "muster_phases": median_phases(phases[1]), "torch_phases": median_phases(phases[0])}


def facts_of(name, size):
    """What benchmarks/scaling asks of a network."""
    network = case_of(name, size == "full").make()
    norms = [module.num_features for module in network.modules()
             if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)]
    return {"parameters": sum(value.numel() for value in network.parameters()),
            "batch_norms": len(norms), "channels": statistics.mean(norms) if norms else 0}


def reason(row):
    """Which phase a miss comes from: what each costs more than the peer's, as share of its step."""
    ours, theirs = row["muster_phases"], row["torch_phases"]
    step = row["clips"] / row["torch_clips_per_second"]
    more = {"forward and loss": ours["forward"] - theirs["forward"],
            "backward and sums": ours["backward"] + ours["exposed"] - theirs["backward"],
            "optimizer": ours["optimizer"] - theirs["optimizer"]}
    return ", ".join(f"{name} {100 * seconds / step:+.1f} %" for name, seconds in more.items())


def line_of(row):
    def of_side(phases):
        return " ".join(f"{1000 * phases[name]:.1f}" for name in PHASES if name in phases)
    ours = row["muster_phases"]
    return (f"{row['network']:9} {row['size']:5} {row['clips']:3} clips  "
            f"{row['muster_clips_per_second']:8.2f} {row['torch_clips_per_second']:8.2f}  "
            f"{row['ratio']:.3f} ({row['least']:.3f} to {row['largest']:.3f}) target {row['target']} "
            + ("      " if row["ratio"] >= row["target"] else "MISSED") +
            f"  ms: muster {of_side(ours)} (last {1000 * ours['last_waits']:.2f}, late "
            f"{1000 * ours['late']:.2f}); torch {of_side(row['torch_phases'])}")


def parsed():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worker", type=pathlib.Path, default=BUILD / "muster-step-worker")
    parser.add_argument("--networks", default=",".join(TRAININGS))
    parser.add_argument("--size", choices=["small", "full", "both"], default="both")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2, help="of a turn, about (2)")
    parser.add_argument("--without-check", action="store_true", help="do not compare losses first")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    unknown = set(options.networks.split(",")) - set(TRAININGS)
    if unknown:
        parser.error(f"--networks {min(unknown)}: choose among {', '.join(TRAININGS)}")
    if not os.access(options.worker, os.X_OK):
        parser.error(f"{options.worker}: no such program; build the target muster-step-worker")
    return options


def main():
    options = parsed()
    rows = []
    for size in ("small", "full") if options.size == "both" else (options.size,):
        for name in options.networks.split(","):
            if not options.without_check and size == "small":
                print(f"{name}: losses differ by {check_losses(name, options.worker):.1e}",
                      file=sys.stderr, flush=True)
            rows.append(measure(name, size, options))
            rows[-1]["reason"] = reason(rows[-1])
            if not options.json:
                print(line_of(rows[-1]), flush=True)
    if options.json:
        print(json.dumps(rows, indent=1))
    return 0 if all(row["ratio"] >= row["target"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
