#!/usr/bin/python3
"""The trainer's speed table: every row beside its target, and of those that miss it a measured reason.

    speed_table.py [--quick | --long] [--parts ddp,cmc] [--json | --markdown]

Parts: exposed (communication/exposed.py), all_reduce and cmc (muster-speed), ddp (training/against_ddp.py),
scaling (scaling/, from ddp's phases). Reasons come from the same run: of a training its phases beside the
peer's, of waiting how much of it is for a slower rank. Needs a release build with the targets muster,
muster-compute, muster-speed and muster-step-worker, python3-torch, and a machine that does nothing else:
the load is told. --quick takes the small sizes and few rounds. Exits 1 if a row is not reached.
"""
import argparse
import datetime
import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "learning"), str(HERE / "scaling")]
from learn import processor_name  # noqa: E402
import scaling  # noqa: E402
import step_model  # noqa: E402

PARTS = ["exposed", "all_reduce", "ddp", "cmc", "scaling"]
EFFORT = {  # steps and rounds of exposed, sizes and rounds of ddp
    "quick": (15, 1, ["small"], 3), "normal": (30, 3, ["small", "full"], 3),
    "long": (100, 5, ["small", "full"], 7)}


def output_of(command):
    """What a benchmark prints as JSON; it may exit with 1 for a target that it missed."""
    print(" ".join(map(str, command)), file=sys.stderr, flush=True)
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True)
    try:
        return json.loads(done.stdout)
    except json.JSONDecodeError:
        raise SystemExit(f"{command[0]} ended with {done.returncode}") from None


def row_of(part, name, measured, target, reached, reason=""):
    return {"part": part, "row": name, "measured": measured, "target": target, "reached": reached,
            "reason": "" if reached else reason}


def exposed_reason(found):
    step = 1000 * found["step"]["median"]
    exposed, after = (step * found[name]["median"] for name in ("exposed", "after"))
    return f"{exposed:.2f} ms of a step of {step:.1f} ms with overlap, {after:.2f} ms without"


def beside_reason(found):
    step, apart, norms = (1000 * found[name]["median"] for name in ("step", "apart", "norm_seconds"))
    return (f"{step:.1f} ms by {apart:.1f} ms; batch norm's {found['norm_messages']['median']:.0f} sums over "
            f"both ranks, each of which waits for the slower one, take {norms:.1f} ms")


def data_wait_reason(found):
    return (f"half of the steps wait at most {100 * found['usual_data_wait']:.2f} %, "
            f"{100 * found['long_data_waits']:.0f} % of them more than 1 %")


def exposed_rows(found):
    """`found`: a network's row of exposed.py."""
    name = found["network"]

    def row(column, text, digits, target, percent=False):
        value = found[column]
        why = {"data_wait": data_wait_reason, "beside": beside_reason}.get(column, exposed_reason)(found)
        scale, unit = (100, " %") if percent else (1, "")
        limit = step_targets[column]
        shown = (f"{scale * value['median']:.{digits}f}{unit} ({scale * value['least']:.{digits}f} to "
                 f"{scale * value['largest']:.{digits}f})")
        return row_of("exposed", f"{name}: {text}", shown, target, value["median"] <= limit, why)

    step_targets = {"exposed": 0.05, "hidden": 0.5, "beside": 1.05, "data_wait": 0.01}
    return [row("exposed", "exposed communication, of a step", 2, "at most 5 %", True),
            row("hidden", "the same by that without overlap", 3, "at most 0.5"),
            row("beside", "step by that of two unconnected processes", 3, "at most 1.05"),
            row("data_wait", "data wait, 99th percentile", 3, "at most 1 %", True)]


def add_waits(rows, ddp):
    """Where exposed communication is too long: how much of it waits for a slower rank."""
    for row in rows:
        waits_for_sums = "exposed communication" in row["row"] or "without overlap" in row["row"]
        if row["part"] != "exposed" or row["reached"] or not waits_for_sums:
            continue
        for found in ddp:
            if found["size"] == "small" and row["row"].startswith(found["network"] + ":"):
                phases = found["muster_phases"]
                row["reason"] += (f"; on equal tensors the last rank waits {1000 * phases['last_waits']:.2f}"
                                  f" ms and the other one {1000 * phases['late']:.2f} ms for it")


def speed_rows(part, found):
    for row in found:
        missed = row["target"] > 0 and (row["ratio"] > row["target"] if row["at_most"]
                                        else row["ratio"] < row["target"])
        bound = "at most" if row["at_most"] else "at least"
        yield row_of(part, f"{row['path']} by {row['limit']}",
                     f"{row['ratio']:.2f} ({row['measured']:.3g} by {row['bound']:.3g} {row['unit']})",
                     f"{bound} {row['target']:g}" if row["target"] > 0 else "-", not missed, row["note"])


def ddp_rows(found):
    for row in found:
        yield row_of("ddp", f"{row['network']}, {row['size']}: clips/s by DistributedDataParallel's",
                     f"{row['ratio']:.2f} ({row['least']:.2f} to {row['largest']:.2f})",
                     f"at least {row['target']}", row["ratio"] >= row["target"],
                     "more than the peer's step: " + row["reason"])


def scaling_rows(found):
    """Verdicts for the networks as they computed here; a GPU computes faster: scaling.py --run."""
    for row in found:
        phases = row["muster_phases"]
        options = scaling.parsed(
            ["--forward", str(phases["forward"]), "--backward", str(phases["backward"]), "--optimizer",
             str(phases["optimizer"]), "--clips", str(row["clips"] / 2), "--parameters",
             str(row["parameters"]), "--batch-norms", str(row["batch_norms"]), "--channels",
             str(row["channels"])])
        cluster, work = scaling.model_of(options)
        rows = step_model.table(cluster, work, scaling.COUNTS)
        yield row_of("scaling", f"{row['network']}, {row['size']}: modelled from computing on this core",
                     scaling.verdict(rows), "-", True)


def measured(options):
    steps, rounds, sizes, ddp_rounds = EFFORT[options.effort]
    binaries, ddp, rows = options.build / "bin", [], []
    parts = options.parts.split(",")
    if "exposed" in parts:
        found = output_of([sys.executable, HERE / "communication/exposed.py", binaries / "muster",
                           "--steps", steps, "--rounds", rounds, "--json"])
        for network in found["rows"]:
            rows += exposed_rows(network)
    for part in ("all_reduce", "cmc"):
        if part in parts:
            rows += speed_rows(part, output_of([binaries / "muster-speed", "--only", part, "--json"]))
    if "ddp" in parts or "scaling" in parts:
        for size in sizes:
            ddp += output_of([sys.executable, HERE / "training/against_ddp.py", "--worker",
                              binaries / "muster-step-worker", "--size", size, "--rounds", ddp_rounds,
                              "--json"])
        if "ddp" in parts:
            rows += ddp_rows(ddp)
        if "scaling" in parts:
            rows += scaling_rows(ddp)
    add_waits(rows, ddp)
    return rows


def commit():
    done = subprocess.run(["git", "-C", str(HERE), "rev-parse", "--short", "HEAD"], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return done.stdout.strip() or "unknown"


def print_rows(rows, facts, markdown):
    header = ["row", "measured", "target", "reached", "measured reason"]
    lines = [[row["row"], row["measured"], row["target"],
              "yes" if row["reached"] else "NO", row["reason"]] for row in rows]
    if markdown:
        print(facts + "\n")
        print("\n".join("| " + " | ".join(line) + " |"
                        for line in [header, ["---"] * len(header), *lines]))
        return
    widths = [max(map(len, column)) for column in zip(header, *lines)]
    for line in [header, *lines]:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
    print(facts)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    effort = parser.add_mutually_exclusive_group()
    effort.add_argument("--quick", dest="effort", action="store_const", const="quick", default="normal")
    effort.add_argument("--long", dest="effort", action="store_const", const="long")
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--build", type=pathlib.Path, default=HERE.parent / "build/release")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true")
    form.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    unknown = set(options.parts.split(",")) - set(PARTS)
    if unknown:
        parser.error(f"--parts {min(unknown)}: choose among {', '.join(PARTS)}")
    before = os.getloadavg()[0]
    rows = measured(options)
    busy = " Busy machine: figures mean little." if before > 0.5 else ""
    facts = (f"{datetime.date.today()}, {processor_name()}, {os.cpu_count()} cores, commit {commit()}, "
             f"{options.effort}; load {before:.1f} before it began.{busy}")
    if options.json:
        print(json.dumps({"facts": facts, "rows": rows}, indent=1))
    else:
        print_rows(rows, facts, options.markdown)
    return 0 if all(row["reached"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
