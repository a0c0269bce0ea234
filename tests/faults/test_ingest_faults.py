"""Ingest that is killed, runs out of room or races: the store comes out the same."""
import os
import pathlib
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "system"))
from support import LONG, MUSTER, TemporaryDirectoryTest, muster  # noqa: E402

FAIL_AT_CALL = os.environ["MUSTER_FAIL_AT_CALL"]


def content(directory):
    """Every file below a directory, hidden ones too."""
    return {str(path.relative_to(directory)): path.read_bytes()
            for path in sorted(directory.rglob("*")) if path.is_file()}


class IngestFaultTest(TemporaryDirectoryTest):
    @classmethod
    def setUpClass(cls):
        import tempfile
        holder = tempfile.TemporaryDirectory(prefix="muster-test-")
        cls.addClassCleanup(holder.cleanup)
        cls.shared = pathlib.Path(holder.name)
        muster("synth", "--world", "prid2011", "--out", cls.shared / "world", "--identities", 5,
               "--frames", 24)
        muster(*cls.command(cls.shared / "store"))
        cls.reference = content(cls.shared / "store")

    @classmethod
    def command(cls, store, jobs=2):
        return ["ingest", "--layout", "prid2011", "--input", cls.shared / "world", "--store", store,
                "--shard-mib", 1, "--jobs", jobs]

    def ingest_with_fault(self, store, call, kind):
        environment = {**os.environ, "LD_PRELOAD": FAIL_AT_CALL, "MUSTER_FAULT_BELOW": str(store),
                       "MUSTER_FAULT_CALL": str(call), "MUSTER_FAULT_KIND": kind,
                       "MUSTER_FAULT_COUNT": str(self.directory / "calls")}
        return subprocess.run([MUSTER, *map(str, self.command(store))], capture_output=True,
                              text=True, env=environment, timeout=300)

    def number_of_calls(self):
        done = self.ingest_with_fault(self.directory / "counted", 0, "kill")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(content(self.directory / "counted"), self.reference)
        calls = int((self.directory / "calls").read_text())
        self.assertGreater(calls, 30, "the preloaded library saw too few calls")
        return calls

    def chosen_calls(self, most):
        calls = self.number_of_calls()
        step = 1 if LONG else max(1, calls // most)
        return range(1, calls + 1, step)

    def assert_finishes(self, store, what):
        if (store / "manifest.json").exists():
            muster("store", "verify", store)
        muster(*self.command(store))
        self.assertEqual(content(store), self.reference, what)

    def test_several_shards_are_needed(self):
        self.assertGreaterEqual(sum(name.endswith(".h5") for name in self.reference), 3)

    def test_killed_at_any_step_it_is_finished_by_the_same_command(self):
        for call in self.chosen_calls(30):
            for kind in ("kill", "after"):
                with self.subTest(call=call, kind=kind):
                    store = self.directory / f"store-{call}-{kind}"
                    done = self.ingest_with_fault(store, call, kind)
                    self.assertEqual(done.returncode, -signal.SIGKILL, done.stderr)
                    published = {name: data for name, data in
                                 (content(store) if store.exists() else {}).items()
                                 if not name.startswith(".")}
                    for name, data in published.items():
                        self.assertEqual(data, self.reference[name], f"{name} is half-written")
                    self.assert_finishes(store, f"killed {kind} call {call}")

    def test_a_full_disk_at_any_step_is_one_line_and_loses_nothing(self):
        for call in self.chosen_calls(30):
            with self.subTest(call=call):
                store = self.directory / f"full-{call}"
                done = self.ingest_with_fault(store, call, "full")
                # After its last byte was written a store needs no more room.
                self.assertIn(done.returncode, (0, 1), done.stderr)
                if done.returncode == 1:
                    errors = [line for line in done.stderr.splitlines()
                              if line.startswith("muster:")]
                    self.assertEqual(len(errors), 1, done.stderr)
                    self.assertIn(str(store), errors[0])
                self.assert_finishes(store, f"full at call {call}")

    def start(self, store):
        return subprocess.Popen([MUSTER, *map(str, self.command(store, jobs=1))],
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def test_three_ingests_at_once_make_one_store(self):
        for attempt in range(5 if LONG else 2):
            store = self.directory / f"raced-{attempt}"
            racers = [self.start(store) for _ in range(3)]
            for racer in racers:
                _, errors = racer.communicate(timeout=300)
                self.assertEqual(racer.returncode, 0, errors)
            self.assertEqual(content(store), self.reference)

    def test_a_killed_racer_does_not_hold_up_the_others(self):
        for delay in (0.05, 0.1, 0.2, 0.3, 0.5) if LONG else (0.1, 0.25):
            store = self.directory / f"raced-{delay}"
            racers = [self.start(store) for _ in range(2)]
            time.sleep(delay)
            racers[0].kill()
            racers[0].communicate()
            _, errors = racers[1].communicate(timeout=300)
            self.assertEqual(racers[1].returncode, 0, errors)
            muster(*self.command(store))
            self.assertEqual(content(store), self.reference)

    def test_jobs_change_no_byte(self):
        for jobs in (1, 3, 7):
            store = self.directory / f"jobs-{jobs}"
            muster(*self.command(store, jobs))
            self.assertEqual(content(store), self.reference)

    def test_another_dataset_in_the_same_place_is_refused(self):
        store = self.directory / "store"
        muster(*self.command(store))
        muster("synth", "--world", "prid2011", "--out", self.directory / "other", "--identities", 5,
               "--frames", 24, "--seed", 9)
        done = muster("ingest", "--layout", "prid2011", "--input", self.directory / "other",
                      "--store", store, "--shard-mib", 1, code=2)
        self.assertIn(str(store), done.stderr)
        self.assertEqual(content(store), self.reference)


if __name__ == "__main__":
    unittest.main()
