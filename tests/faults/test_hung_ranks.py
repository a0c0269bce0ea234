"""A rank whose threads live but whose work hangs ends the job too, with the line that says so."""
import os
import pathlib
import re
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "system"))
from support import MUSTER, SmallStoreTest, progress_of  # noqa: E402

FAIL_AT_CALL = os.environ["MUSTER_FAIL_AT_CALL"]
HOST = re.escape(socket.gethostname())


class HungRankTest(SmallStoreTest):
    def line_of_a_training(self, run, steps, faults):
        """What a training of two ranks says that does not end well."""
        command = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", "2", MUSTER, "train",
                   "--spec", self.spec(), "--store", f"small={self.store}", "--run", run, "--set",
                   f"training.steps={steps}", "--set", "training.checkpoints.every_steps=4", "--set",
                   "training.watchdog_seconds=3"]
        if os.geteuid() == 0:
            command.insert(1, "--allow-run-as-root")
        environment = {**os.environ, "LD_PRELOAD": FAIL_AT_CALL, **faults}
        done = subprocess.run([str(part) for part in command], stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True, env=environment, timeout=300)
        self.assertEqual(done.returncode, 1, done.stderr)
        lines = [line for line in done.stderr.splitlines() if line.startswith("muster: rank ")]
        self.assertEqual(len(lines), 1, done.stderr)
        self.steps = len(progress_of(run)) if (run / "progress.jsonl").exists() else 0
        return lines[0]

    def line_of_a_hang(self, below, call):
        """Rank 0 never comes back from a call on a file."""
        run = self.directory / "run"
        return self.line_of_a_training(run, 1000000, {
            "MUSTER_FAULT_KIND": "hang", "MUSTER_FAULT_BELOW": str(run / below),
            "MUSTER_FAULT_CALL": str(call)})

    def line_of_a_stop(self, function, rank):
        return self.line_of_a_training(self.directory / f"run-{rank}", 3, {
            "MUSTER_FAULT_IN": function, "MUSTER_FAULT_RANK": str(rank)})

    def assert_rank_0_is_named(self, line):
        self.assertRegex(line, rf"^muster: rank 0 on host {HOST} has not moved for \d+ s: last seen "
                               rf"computing after \w+ \d+( of duplicate \d)? \(after step \d+\); "
                               rf"rank 1: waiting in \w+ \d+( of duplicate \d)? \(after step \d+\)$")

    def test_a_rank_that_hangs_in_its_step_is_named(self):
        self.assert_rank_0_is_named(self.line_of_a_hang("progress.jsonl", 6))
        self.assertGreater(self.steps, 0)

    def test_a_rank_that_waits_for_a_checkpoint_that_never_ends_is_named(self):
        self.assert_rank_0_is_named(self.line_of_a_hang("checkpoints/.", 2))
        # Written in the background: the training went on to the next one.
        self.assertEqual(self.steps, 8)

    def test_a_rank_that_is_stopped_before_there_is_a_watchdog_ends_the_job(self):
        for stopped in (0, 1):
            with self.subTest(stopped=stopped):
                line = self.line_of_a_stop("MPI_Init_thread", stopped)
                self.assertRegex(line, rf"^muster: rank {1 - stopped} on host {HOST}: MPI_Init did not "
                                       r"come back in \d+ s: another rank does not answer$")
                self.assertEqual(self.steps, 0)

    def test_a_rank_that_is_stopped_after_its_work_ends_the_job(self):
        for stopped in (0, 1):
            with self.subTest(stopped=stopped):
                line = self.line_of_a_stop("MPI_Finalize", stopped)
                self.assertRegex(line, rf"^muster: rank {1 - stopped} on host {HOST}: MPI_Finalize did "
                                       r"not come back in \d+ s: another rank does not answer$")
                self.assertEqual(self.steps, 3)


if __name__ == "__main__":
    unittest.main()
