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

    def fault(self, store, call, kind):
        return {**os.environ, "LD_PRELOAD": FAIL_AT_CALL, "MUSTER_FAULT_BELOW": str(store),
                "MUSTER_FAULT_CALL": str(call), "MUSTER_FAULT_KIND": kind,
                "MUSTER_FAULT_COUNT": str(self.directory / "calls")}

    def ingest_with_fault(self, store, call, kind):
        return subprocess.run([MUSTER, *map(str, self.command(store))], capture_output=True,
                              text=True, env=self.fault(store, call, kind), timeout=300)

    def number_of_calls(self, kind):
        store = self.directory / f"counted-{kind}"
        done = self.ingest_with_fault(store, 0, kind)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(content(store), self.reference)
        calls = int((self.directory / "calls").read_text())
        self.assertGreater(calls, 30, "the preloaded library saw too few calls")
        return calls

    def chosen_calls(self, most, kind):
        calls = self.number_of_calls(kind)
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
        for call in self.chosen_calls(30, "kill"):
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
        for call in self.chosen_calls(30, "full"):
            with self.subTest(call=call):
                store = self.directory / f"full-{call}"
                done = self.ingest_with_fault(store, call, "full")
                self.assertEqual(done.returncode, 1, done.stderr)
                errors = [line for line in done.stderr.splitlines() if line.startswith("muster:")]
                self.assertEqual(len(errors), 1, done.stderr)
                self.assertIn(str(store), errors[0])
                self.assert_finishes(store, f"full at call {call}")

    def start(self, store, environment=None):
        return subprocess.Popen([MUSTER, *map(str, self.command(store, jobs=1))], env=environment,
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def test_three_ingests_at_once_make_one_store(self):
        for attempt in range(5 if LONG else 2):
            store = self.directory / f"raced-{attempt}"
            racers = [self.start(store) for _ in range(3)]
            for racer in racers:
                _, errors = racer.communicate(timeout=300)
                self.assertEqual(racer.returncode, 0, errors)
            self.assertEqual(content(store), self.reference)

    def wait_until_little_is_left(self, store, racer):
        # A halted ingest holds at most two shards: the one it writes and the one it publishes.
        free = sum(name.endswith(".h5") for name in self.reference) - 2
        for _ in range(6000):
            if racer.poll() is not None or len(list(store.glob("shard-*.h5"))) >= free:
                return
            time.sleep(0.01)
        self.fail("the racer waits although there is work")

    def test_a_killed_racer_does_not_hold_up_the_others(self):
        waited = 0
        for call in self.chosen_calls(8, "kill"):
            with self.subTest(call=call):
                store = self.directory / f"raced-{call}"
                # Halts in the middle of its work, and dies when the other one waits for it.
                killed = self.start(store, self.fault(store, call, "stop"))
                self.assertTrue(os.WIFSTOPPED(os.waitpid(killed.pid, os.WUNTRACED)[1]))
                other = self.start(store)
                self.wait_until_little_is_left(store, other)
                killed.kill()
                _, errors = killed.communicate()
                self.assertEqual(killed.returncode, -signal.SIGKILL, errors)
                _, errors = other.communicate(timeout=300)
                self.assertEqual(other.returncode, 0, errors)
                waited += "being written by another ingest" in errors
                muster(*self.command(store))
                self.assertEqual(content(store), self.reference)
        self.assertGreater(waited, 0, "no racer met the other's work")

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
