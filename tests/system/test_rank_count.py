"""The number of ranks does not change what is trained."""
import json
import sys
import unittest

from support import LONG, SOURCE, SmallStoreTest, muster, progress_of

sys.path.append(str(SOURCE / "tests"))
from safetensors_file import read_tensors  # noqa: E402


class QuickstartOnRanksTest(SmallStoreTest):
    """The quickstart's own settings on a smaller world; smaller batches too in the short form, because
    LibTorch has no quick float64 convolutions."""

    IDENTITIES, FRAMES = 34, 8
    SMALLER = [] if LONG else ["--set", "training.batch.identities=8", "--set",
                               "training.batch.frames=2"]

    def progress(self, ranks, steps, precision):
        run = self.directory / f"{precision}-{ranks}"
        muster("train", "--spec", SOURCE / "experiments" / "quickstart.textproto", "--set",
               "data.train=prid2011", "--store", f"prid2011={self.store}", "--run", run, "--set",
               f"training.steps={steps}", "--set", f"training.precision={precision}", *self.SMALLER,
               ranks=ranks)
        return progress_of(run)

    def test_float64_agrees_for_50_steps_on_1_2_and_4_ranks(self):
        alone = self.progress(1, 50, "FLOAT64")
        self.assertEqual(len({step["batch"] for step in alone}), 50)
        for ranks in (2, 4):
            together = self.progress(ranks, 50, "FLOAT64")
            self.assertEqual([s["batch"] for s in together], [s["batch"] for s in alone])
            worst = max(abs(a["loss"] - b["loss"]) / abs(a["loss"])
                        for a, b in zip(alone, together))
            self.assertLessEqual(worst, 1e-9, f"{ranks} ranks")

    def test_float32_agrees_for_10_steps_on_1_2_and_4_ranks(self):
        alone = self.progress(1, 10, "FLOAT32")
        for ranks in (2, 4):
            together = self.progress(ranks, 10, "FLOAT32")
            worst = max(abs(a["loss"] - b["loss"]) / abs(a["loss"])
                        for a, b in zip(alone, together))
            self.assertLessEqual(worst, 1e-4, f"{ranks} ranks")


class RankCountTest(SmallStoreTest):
    def test_more_ranks_than_clips_trains_the_same(self):
        small = ["--set", "training.batch.identities=2", "--set", "training.batch.clips=1", "--set",
                 "training.precision=FLOAT64", "--set", "training.steps=3"]
        self.train("one", *small)
        self.train("three", *small, ranks=3)
        for a, b in zip(progress_of(self.directory / "one"), progress_of(self.directory / "three")):
            self.assertEqual(a["batch"], b["batch"])
            self.assertAlmostEqual(a["loss"], b["loss"], delta=1e-9 * abs(a["loss"]))

    def test_mixed_precision_trains_the_same_on_more_ranks(self):
        mixed = ["--set", "training.precision=MIXED_BFLOAT16", "--set", "training.steps=3"]
        self.train("full", "--set", "training.steps=3")
        self.train("one", *mixed)
        full, one = (progress_of(self.directory / run) for run in ("full", "one"))
        self.assertNotEqual([s["loss"] for s in full], [s["loss"] for s in one])
        for ranks in (2, 3):
            self.train(f"on-{ranks}", *mixed, ranks=ranks)
            for a, b, c in zip(one, progress_of(self.directory / f"on-{ranks}"), full):
                self.assertEqual(a["batch"], b["batch"])
                self.assertAlmostEqual(a["loss"], b["loss"], delta=0.01 * abs(a["loss"]))
                self.assertAlmostEqual(a["loss"], c["loss"], delta=0.05 * abs(a["loss"]))

    def test_float16_on_a_cpu_is_refused_in_one_line(self):
        error = self.train("run", "--device", "cpu", "--set", "training.precision=MIXED_FLOAT16",
                           ranks=2, code=2).stderr
        lines = [line for line in error.splitlines() if "muster: " in line]
        self.assertEqual(len(lines), 1, error)
        self.assertIn("training.precision: MIXED_FLOAT16 needs a GPU", lines[0])

    def test_progress_says_what_gradients_travelled(self):
        self.train("one")
        self.train("two", ranks=2)
        one, two = (progress_of(self.directory / run)[-1]["communication"]
                    for run in ("one", "two"))
        self.assertEqual(one["bytes"], 0)
        weights = read_tensors(self.directory / "two" / "checkpoints" / "step-00000002" /
                               "model.safetensors")
        trained = [values for name, values in weights.items() if ".running_" not in name]
        self.assertEqual(two["bytes"], 4 * sum(values.size for values in trained))
        self.assertGreater(two["messages"], 0)
        self.assertLessEqual(two["early_messages"], two["messages"])

    def test_training_twice_gives_the_same_bits(self):
        for run in ("first", "second"):
            self.train(run, ranks=2)
        weights = [(self.directory / run / "checkpoints" / "step-00000002" /
                    "model.safetensors").read_bytes() for run in ("first", "second")]
        self.assertEqual(weights[0], weights[1])

    def test_another_seed_gives_other_batches(self):
        self.train("a")
        self.train("b", "--set", "training.seed=2")
        self.assertNotEqual(progress_of(self.directory / "a")[0]["batch"],
                            progress_of(self.directory / "b")[0]["batch"])

    def test_a_finished_run_is_left_alone_and_another_one_is_refused(self):
        self.train("run")
        result = self.directory / "run" / "result.json"
        before = result.stat().st_mtime_ns
        self.assertIn("already trained", self.train("run").stderr)
        self.assertIn("already holds", self.train("run", "--set", "training.steps=3", code=2).stderr)
        self.assertEqual(result.stat().st_mtime_ns, before)

    def test_an_unfinished_run_of_other_settings_is_set_aside_not_lost(self):
        self.train("run")
        (self.directory / "run" / "result.json").unlink()
        self.train("run", "--set", "training.seed=2")
        self.assertTrue((self.directory / "run" / "result.json").exists())
        kept = self.directory / "run.unfinished-1" / "progress.jsonl"
        self.assertEqual(len(list(map(json.loads, kept.read_text().splitlines()))), 2)


if __name__ == "__main__":
    unittest.main()
