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
    def line_of_a_hang(self, below, call):
        """What a training of two ranks says whose rank 0 never comes back from a call on a file."""
        run = self.directory / "run"
        command = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", "2", MUSTER, "train",
                   "--spec", self.spec(), "--store", f"small={self.store}", "--run", run, "--set",
                   "training.steps=1000000", "--set", "training.checkpoints.every_steps=4", "--set",
                   "training.watchdog_seconds=3"]
        if os.geteuid() == 0:
            command.insert(1, "--allow-run-as-root")
        environment = {**os.environ, "LD_PRELOAD": FAIL_AT_CALL, "MUSTER_FAULT_KIND": "hang",
                       "MUSTER_FAULT_BELOW": str(run / below), "MUSTER_FAULT_CALL": str(call)}
        done = subprocess.run([str(part) for part in command], stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True, env=environment, timeout=300)
        self.assertEqual(done.returncode, 1, done.stderr)
        lines = [line for line in done.stderr.splitlines() if line.startswith("muster: ")]
        self.assertEqual(len(lines), 1, done.stderr)
        self.steps = len(progress_of(run))
        return lines[0]

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


if __name__ == "__main__":
    unittest.main()
