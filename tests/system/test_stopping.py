"""Trainings that are asked to stop: a checkpoint, exit code 75, and the same command goes on."""
import json
import os
import pathlib
import signal
import subprocess
import time
import unittest

from support import MUSTER, SmallStoreTest, progress_of

STOPPED = 75


class StoppingTest(SmallStoreTest):
    FOR_EVER = ("--set", "training.steps=1000000")

    def start(self, run, *arguments, ranks=0):
        """Returns once three steps are taken."""
        command = [MUSTER, "train", "--spec", self.spec(), "--store", f"small={self.store}", "--run",
                   self.directory / run, *arguments]
        if ranks:
            launcher = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", ranks]
            if os.geteuid() == 0:
                launcher.insert(1, "--allow-run-as-root")
            command = launcher + command
        job = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
        self.addCleanup(job.stdout.close)
        self.addCleanup(job.stderr.close)
        self.addCleanup(job.kill)
        progress = self.directory / run / "progress.jsonl"
        first = self.steps(run)
        while self.steps(run) < first + 3:
            self.assertIsNone(job.poll(), "the training ended early")
            time.sleep(0.02)
        self.assertTrue(progress.exists())
        return job

    def steps(self, run):
        path = self.directory / run / "progress.jsonl"
        return path.read_bytes().count(b"\n") if path.exists() else 0

    def checkpoints(self, run):
        return sorted(path.name for path in (self.directory / run / "checkpoints").iterdir())

    def test_a_signal_stops_with_a_checkpoint_and_the_same_command_goes_on(self):
        for number in (signal.SIGTERM, signal.SIGUSR2, signal.SIGINT):
            with self.subTest(signal=number.name):
                job = self.start("run", *self.FOR_EVER)
                job.send_signal(number)
                _, errors = job.communicate(timeout=120)
                self.assertEqual(job.returncode, STOPPED, errors)
                self.assertIn(f"stopped on request ({number.name})", errors)
                last = progress_of(self.directory / "run")[-1]["step"]
                self.assertIn(f"step-{last:08}", self.checkpoints("run"))
        steps = [step["step"] for step in progress_of(self.directory / "run")]
        self.assertEqual(steps, list(range(1, len(steps) + 1)))
        lives = json.loads((self.directory / "run" / "provenance.json").read_text())["lives"]
        self.assertEqual(len(lives), 3)
        self.assertGreater(lives[2]["from_step"], lives[1]["from_step"])

    def test_one_ranks_signal_stops_all_and_another_number_of_ranks_goes_on(self):
        job = self.start("run", *self.FOR_EVER, ranks=3)
        children = pathlib.Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split()
        os.kill(int(children[-1]), signal.SIGUSR2)
        _, errors = job.communicate(timeout=120)
        self.assertEqual(job.returncode, STOPPED, errors)
        self.assertEqual(errors.count("stopped on request"), 1, errors)
        self.assertNotIn("has not moved", errors)
        for rank in range(3):
            self.assertIn("stopped on request",
                          (self.directory / "run" / "logs" / f"rank-{rank}.log").read_text())
        stopped_at = self.steps("run")
        job = self.start("run", *self.FOR_EVER, ranks=2)
        job.send_signal(signal.SIGUSR2)  # mpirun passes it on
        _, errors = job.communicate(timeout=120)
        self.assertEqual(job.returncode, STOPPED, errors)
        self.assertIn(f"goes on after step {stopped_at}", errors)

    def test_the_second_signal_ends_at_once(self):
        job = self.start("run", *self.FOR_EVER)
        job.send_signal(signal.SIGSTOP)  # so that both are there before it can look
        job.send_signal(signal.SIGTERM)
        job.send_signal(signal.SIGUSR2)
        job.send_signal(signal.SIGCONT)
        job.communicate(timeout=120)
        self.assertIn(job.returncode, (-signal.SIGTERM, -signal.SIGUSR2))

    def test_a_limit_of_time_stops(self):
        done = self.train("run", *self.FOR_EVER, "--time-limit", "2s", "--json", code=STOPPED)
        self.assertTrue(json.loads(done.stdout)["stopped"])
        self.assertEqual(len(self.checkpoints("run")), 1)
        first = self.steps("run")
        self.train("run", *self.FOR_EVER, "--time-limit", "1h", "--stop-before", "1h", code=STOPPED)
        self.assertEqual(self.steps("run"), first + 1)  # the limit is looked at after a step

    def test_the_margin_counts_from_slurms_limit(self):
        soon = str(int(time.time()) + 30)
        done = self.train("run", *self.FOR_EVER, "--stop-before", "1m", code=STOPPED,
                          env={**os.environ, "SLURM_JOB_END_TIME": soon})
        self.assertIn("stopped on request", done.stderr)
        done = self.train("run", *self.FOR_EVER, "--stop-before", "1m", code=2)
        self.assertIn("--stop-before", done.stderr)

    def test_stopped_and_continued_it_is_the_training_that_was_never_stopped(self):
        steps = ("--set", "training.steps=60")
        self.train("whole", *steps)
        job = self.start("run", *steps)
        job.send_signal(signal.SIGTERM)
        job.communicate(timeout=120)
        self.train("run", *steps)
        name = pathlib.Path("checkpoints") / "step-00000060" / "model.safetensors"
        self.assertEqual((self.directory / "run" / name).read_bytes(),
                         (self.directory / "whole" / name).read_bytes())

    def test_resume_demands_a_run_and_start_over_keeps_the_old_one(self):
        self.assertIn("no run to resume", self.train("run", "--resume", code=2).stderr)
        self.assertFalse((self.directory / "run").exists())
        self.train("run", *self.FOR_EVER, "--time-limit", "1s", code=STOPPED)
        self.assertIn("other settings", self.train("run", "--resume", code=2).stderr)
        before = self.steps("run")
        self.train("run", *self.FOR_EVER, "--time-limit", "1s", "--resume", code=STOPPED)
        self.assertGreater(self.steps("run"), before)
        before = self.steps("run")
        done = self.train("run", "--start-over")
        self.assertIn("run.unfinished-1", done.stderr)
        self.assertEqual(self.steps("run.unfinished-1"), before)
        self.assertEqual(self.steps("run"), 2)
        self.train("run", "--resume", "--start-over", code=2)

    def test_two_processes_do_not_train_one_run(self):
        job = self.start("run", *self.FOR_EVER)
        done = self.train("run", *self.FOR_EVER, code=2)
        self.assertIn("another process trains it", done.stderr)
        job.send_signal(signal.SIGTERM)
        job.communicate(timeout=120)
        self.assertEqual(job.returncode, STOPPED)


if __name__ == "__main__":
    unittest.main()
