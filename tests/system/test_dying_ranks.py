"""A rank that hangs or dies ends the job, with one line that says which and where all were."""
import os
import pathlib
import re
import signal
import socket
import subprocess
import time
import unittest

from support import MUSTER, SmallStoreTest

RANKS = 3
HOST = re.escape(socket.gethostname())
STEP = r"\((before a step|after step \d+)\)"
PLACE = rf"(computing|(waiting in|computing after) \w+ \d+( of duplicate \d)?) {STEP}"


def ranks_of(launcher):
    """Process numbers of the launcher's ranks, by rank."""
    found = {}
    for directory in pathlib.Path("/proc").iterdir():
        if not directory.name.isdigit():
            continue
        try:
            parent = int((directory / "stat").read_text().rsplit(")", 1)[1].split()[1])
            environment = (directory / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        for variable in environment:
            if parent == launcher and variable.startswith(b"OMPI_COMM_WORLD_RANK="):
                found[int(variable.split(b"=")[1])] = int(directory.name)
    return found


def send(process, number):
    try:
        os.kill(process, number)
    except ProcessLookupError:
        pass


class JobOfRanksTest(SmallStoreTest):
    def launch(self, *arguments, begun):
        """The job, once begun() holds; it must take long from then on."""
        command = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", str(RANKS), MUSTER,
                   *arguments]
        if os.geteuid() == 0:
            command.insert(1, "--allow-run-as-root")
        job = subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True)
        self.addCleanup(job.stderr.close)
        self.addCleanup(self.remove, job)
        while not begun():
            self.assertIsNone(job.poll(), "the job ended early")
            time.sleep(0.02)
        self.ranks = ranks_of(job.pid)
        self.assertEqual(sorted(self.ranks), list(range(RANKS)))
        return job

    def remove(self, job):
        for process in [*getattr(self, "ranks", {}).values(), job.pid]:
            send(process, signal.SIGCONT)
            if job.poll() is None:
                send(process, signal.SIGKILL)
        job.wait()

    def line_of(self, job):
        """Our one line about the end of the job, once it has ended."""
        error = job.communicate(timeout=300)[1]
        self.assertNotEqual(job.returncode, 0)
        lines = [line for line in error.splitlines() if line.startswith("muster: ")]
        self.assertEqual(len(lines), 1, error)
        for process in self.ranks.values():
            deadline = time.monotonic() + 60
            while pathlib.Path(f"/proc/{process}").exists():
                self.assertLess(time.monotonic(), deadline, "a rank is left over")
                time.sleep(0.05)
        return lines[0], job.returncode

    def assert_places(self, line, rank):
        """Everybody's place is in the line, that of `rank` first."""
        self.assertRegex(line, f": last seen {PLACE}; ranks? ")
        others = line.split("; ", 1)[1]
        for group in others.split("; "):
            self.assertRegex(group, rf"^ranks? [0-9, -]+: {PLACE}$")
        named = sorted(int(n) for group in others.split("; ")
                       for n in re.findall(r"\d+", group.split(":")[0]))
        self.assertEqual(named, [other for other in range(RANKS) if other != rank], line)


class DyingRankTest(JobOfRanksTest):
    def start(self, watchdog_seconds):
        """A training that would take for ever; returns once it is in its third step."""
        run = self.directory / "run"
        progress = run / "progress.jsonl"
        return self.launch(
            "train", "--spec", self.spec(), "--store", f"small={self.store}", "--run", run,
            "--set", "training.steps=1000000", "--set",
            f"training.watchdog_seconds={watchdog_seconds}",
            begun=lambda: progress.exists() and len(progress.read_text().splitlines()) >= 3)

    def stopped(self, rank):
        job = self.start(watchdog_seconds=3)
        os.kill(self.ranks[rank], signal.SIGSTOP)
        line, code = self.line_of(job)
        self.assertRegex(line, rf"^muster: rank {rank} on host {HOST} has not been heard for \d+ s")
        self.assert_places(line, rank)
        # They have waited for it ever since.
        self.assertRegex(line, r"; ranks? [0-9, ]+: waiting in \w+ \d+( of duplicate \d)? \(after")
        self.assertEqual(code, 1)

    def test_a_stopped_rank_0_ends_the_job(self):
        self.stopped(0)

    def test_a_stopped_rank_1_ends_the_job(self):
        self.stopped(1)

    def test_a_stopped_rank_2_ends_the_job(self):
        self.stopped(2)

    def killed(self, rank):
        job = self.start(watchdog_seconds=600)
        os.kill(self.ranks[rank], signal.SIGKILL)
        line, _ = self.line_of(job)
        self.assertRegex(line, rf"^muster: rank {rank} on host {HOST} \(pid {self.ranks[rank]}\) "
                               "died: last seen ")
        self.assert_places(line, rank)

    def test_a_killed_rank_0_ends_the_job(self):
        self.killed(0)

    def test_a_killed_rank_1_ends_the_job(self):
        self.killed(1)

    def test_a_killed_rank_2_ends_the_job(self):
        self.killed(2)


class DyingExtractionTest(JobOfRanksTest):
    IDENTITIES, FRAMES = 40, 20

    def start(self, *options):
        """An extraction, once every rank writes its share."""
        self.train("run", "--set", "training.steps=1", "--set", "model.stsrn.width=2")
        out = self.directory / "features"
        out.mkdir()
        return self.launch("extract", "--run", self.directory / "run", "--store",
                           f"small={self.store}", "--set", "extraction.crops=8", "--features",
                           out / "features.h5", *options,
                           begun=lambda: len(list(out.iterdir())) >= RANKS)

    def test_a_stopped_rank_ends_an_extraction(self):
        job = self.start("--watchdog", 3)
        os.kill(self.ranks[1], signal.SIGSTOP)
        line, code = self.line_of(job)
        self.assertRegex(line, rf"^muster: rank 1 on host {HOST} has not been heard for \d+ s")
        self.assertEqual(code, 1)

    def test_a_killed_rank_ends_an_extraction(self):
        job = self.start()
        os.kill(self.ranks[2], signal.SIGKILL)
        line, _ = self.line_of(job)
        self.assertRegex(line, rf"^muster: rank 2 on host {HOST} \(pid {self.ranks[2]}\) died")

class LivingRankTest(SmallStoreTest):
    def test_a_training_that_goes_well_says_nothing_of_ranks(self):
        error = self.train("run", ranks=RANKS).stderr
        self.assertNotIn("muster: ", error)

    def test_a_fault_that_a_rank_has_told_is_not_told_again(self):
        error = self.train("run", "--set", "training.optimizer.learning_rate=1e30", "--set",
                           "training.optimizer.gradient_clamp=0", "--set", "training.steps=50",
                           ranks=RANKS, code=1).stderr
        self.assertIn("not finite", error)
        told = [line for line in error.splitlines() if line.startswith("muster: ")]
        self.assertEqual(len(told), 1, error)
        self.assertNotIn("last seen", error)

    def test_a_limit_below_0_is_refused(self):
        error = self.train("run", "--set", "training.watchdog_seconds=-1", code=2).stderr
        self.assertIn("training.watchdog_seconds", error)


if __name__ == "__main__":
    unittest.main()
