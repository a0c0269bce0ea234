"""Trainings that are killed at any moment, or run out of room, go on and end in the same weights."""
import os
import pathlib
import random
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "system"))
from support import LONG, MUSTER, SmallStoreTest, progress_of  # noqa: E402

FAIL_AT_CALL = os.environ["MUSTER_FAIL_AT_CALL"]


def children_of(parent):
    """Process numbers of the launcher's ranks."""
    found = []
    for directory in pathlib.Path("/proc").iterdir():
        if directory.name.isdigit():
            try:
                facts = (directory / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(facts[1]) == parent:
                found.append(int(directory.name))
    return found


def kill(process):
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        pass


def is_gone(process):
    try:
        state = pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return True
    return state in "ZX"


class TrainingKillTest(SmallStoreTest):
    def command(self, run, *arguments, ranks=0):
        command = [MUSTER, "train", "--spec", self.spec(), "--store", f"small={self.store}", "--run",
                   self.directory / run, "--set", "training.checkpoints.every_steps=1", "--set",
                   "training.optimizer.learning_rate=0.0001", *arguments]
        if ranks:
            launcher = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", ranks]
            if os.geteuid() == 0:
                launcher.insert(1, "--allow-run-as-root")
            command = launcher + command
        return list(map(str, command))

    def run_to_its_end(self, run, *arguments, **options):
        done = subprocess.run(self.command(run, *arguments, **options), capture_output=True,
                              text=True, timeout=900)
        self.assertEqual(done.returncode, 0, done.stderr[-3000:])
        return done

    def assert_same_end(self, run, reference):
        def weights(name):
            checkpoints = self.directory / name / "checkpoints"
            last = sorted(path for path in checkpoints.iterdir() if len(path.name) == 13)[-1]
            return [(last / file).read_bytes() for file in ("model.safetensors",
                                                            "optimizer.safetensors")]

        def steps(name):
            return [{key: value for key, value in step.items()
                     if key in ("step", "loss", "losses", "batch", "learning_rate")}
                    for step in progress_of(self.directory / name)]
        self.assertEqual(steps(run), steps(reference))
        self.assertEqual(weights(run), weights(reference))


class CommitTest(TrainingKillTest):
    """One process; every call that changes the disk is counted."""

    def faulty(self, run, call, kind):
        environment = {**os.environ, "LD_PRELOAD": FAIL_AT_CALL,
                       "MUSTER_FAULT_BELOW": str(self.directory / run),
                       "MUSTER_FAULT_CALL": str(call), "MUSTER_FAULT_KIND": kind,
                       "MUSTER_FAULT_COUNT": str(self.directory / "calls")}
        return subprocess.run(self.command(run, "--set", "training.steps=3"), capture_output=True,
                              text=True, env=environment, timeout=300)

    def chosen_calls(self, most, kind):
        """Which calls count depends on the kind: a full disk renames and removes as ever."""
        done = self.faulty("counted", 0, kind)
        self.assertEqual(done.returncode, 0, done.stderr)
        calls = int((self.directory / "calls").read_text())
        self.assertGreater(calls, 40, "the preloaded library saw too few calls")
        return range(1, calls + 1, 1 if LONG else max(1, calls // most))

    def test_killed_at_any_call_it_goes_on_to_the_same_bytes(self):
        for call in self.chosen_calls(20, "kill"):
            kind = "kill" if call % 2 else "after"
            with self.subTest(call=call, kind=kind):
                run = f"killed-{call}"
                done = self.faulty(run, call, kind)
                self.assertEqual(done.returncode, -signal.SIGKILL, done.stderr)
                self.run_to_its_end(run, "--set", "training.steps=3")
                self.assert_same_end(run, "counted")
                remains = [path.name for path in (self.directory / run / "checkpoints").iterdir()
                           if path.name.startswith(".")]
                self.assertEqual(remains, [])

    def test_a_disk_that_fills_up_loses_nothing_and_says_so(self):
        for call in self.chosen_calls(10, "full"):
            with self.subTest(call=call):
                run = f"full-{call}"
                done = self.faulty(run, call, "full")
                self.assertEqual(done.returncode, 1, done.stderr)
                errors = [line for line in done.stderr.splitlines() if line.startswith("muster:")]
                self.assertEqual(len(errors), 1, done.stderr)
                self.run_to_its_end(run, "--set", "training.steps=3")
                self.assert_same_end(run, "counted")


class CycleTest(TrainingKillTest):
    """Two ranks, killed at random moments over and over."""

    CYCLES, STEPS_A_LIFE = (100, 20) if LONG else (6, 12)

    def lines(self, run):
        path = self.directory / run / "progress.jsonl"
        return path.read_bytes().count(b"\n") if path.exists() else 0

    def one_life(self, run, steps, chance):
        """True if it was killed, and whether in the middle of writing a checkpoint."""
        job = subprocess.Popen(self.command(run, "--set", f"training.steps={steps}", ranks=2),
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        ranks = []
        try:
            wanted = self.lines(run) + chance.randrange(self.STEPS_A_LIFE)
            before = chance.random() < 0.1  # also while it starts
            until = time.monotonic() + (chance.random() * 1.5 if before else 300)
            while job.poll() is None and time.monotonic() < until:
                if self.lines(run) > wanted:
                    break
                time.sleep(0.001)
            time.sleep(chance.random() * 0.03)
            ranks = children_of(job.pid)
            victims = chance.choice([ranks, ranks[:1], ranks[1:2], [*ranks, job.pid]])
            for victim in victims:
                kill(victim)
            job.wait(timeout=120)
        finally:
            for process in [*ranks, *children_of(job.pid), job.pid]:
                kill(process)
            job.wait()
        for process in ranks:
            while not is_gone(process):
                time.sleep(0.01)
        folder = self.directory / run / "checkpoints"
        return folder.exists() and any(".tmp." in path.name for path in folder.iterdir())

    def test_killed_again_and_again_it_ends_in_the_same_weights(self):
        steps = self.CYCLES * (self.STEPS_A_LIFE + 8)
        chance = random.Random(20261122)
        inside_a_write = 0
        for cycle in range(self.CYCLES):
            inside_a_write += self.one_life("killed", steps, chance)
            self.assertFalse((self.directory / "killed" / "result.json").exists(),
                             f"it was done before kill {cycle + 1}: more steps are needed")
        print(f"{self.CYCLES} kills, {inside_a_write} inside a checkpoint write, at step "
              f"{self.lines('killed')} of {steps}", file=sys.stderr)
        if LONG:
            self.assertGreater(inside_a_write, 0)
        self.run_to_its_end("killed", "--set", f"training.steps={steps}", ranks=2)
        self.run_to_its_end("whole", "--set", f"training.steps={steps}", ranks=2)
        self.assert_same_end("killed", "whole")


if __name__ == "__main__":
    unittest.main()
