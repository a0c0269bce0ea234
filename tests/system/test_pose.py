"""The pose network from training to the joints that other networks take."""
import pathlib
import tempfile
import unittest

import h5py
import numpy

from support import TemporaryDirectoryTest, muster, muster_json, progress_of

SPEC = """
    name: "pose"
    data { train: "seen" protocol: "random-half" }
    model { pose_network { width: 0.25 input_size: 64 deconvolution_channels: 64 } }
    training {
      steps: %d
      batch { sampler: FRAMES size: 16 }
      loss { heat_map {} }
      optimizer { adam {} learning_rate: 0.003 decay_steps: 240 }
    }
"""
STEPS = 300


class PoseTest(TemporaryDirectoryTest):
    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory(prefix="muster-test-")
        cls.addClassCleanup(holder.cleanup)
        cls.shared = pathlib.Path(holder.name)
        # Another world of other people stands for what training never saw.
        for name, seed, identities in (("seen", 1, 40), ("other", 2, 10)):
            muster("synth", "--world", "prid2011", "--out", cls.shared / f"world-{name}",
                   "--identities", identities, "--frames", 20, "--seed", seed)
            muster("ingest", "--layout", "prid2011", "--input", cls.shared / f"world-{name}",
                   "--store", cls.shared / name, "--flow", "none")
        cls.train("run", STEPS)

    @classmethod
    def train(cls, run, steps, *arguments, code=0):
        spec = cls.shared / "spec.textproto"
        spec.write_text(SPEC % steps)
        return muster("train", "--spec", spec, "--store", f"seen={cls.shared / 'seen'}", "--run",
                      cls.shared / run, "--threads", 2, *arguments, code=code)

    def annotate(self, name, run="run", store="other", **options):
        return muster_json("annotate", "--run", self.shared / run, "--store",
                           f"{store}={self.shared / store}", "--name", name, **options)

    def joints_of(self, store, annotation=None):
        folder = self.shared / store
        if annotation:
            folder = folder / "annotations" / annotation
        with h5py.File(folder / "shard-00000.h5", "r") as shard:
            return shard["frames/joints"][:]

    def test_training_lowers_the_loss_and_finds_more_joints(self):
        progress = progress_of(self.shared / "run")
        self.assertEqual(len(progress), STEPS)

        def mean(steps, name):
            return numpy.mean([step["statistics"][name] for step in steps])
        first, last = progress[:10], progress[-10:]
        self.assertLess(numpy.mean([step["losses"]["heat_map"] for step in last]),
                        0.8 * numpy.mean([step["losses"]["heat_map"] for step in first]))
        self.assertLess(mean(last, "joint_error"), 0.5 * mean(first, "joint_error"))
        self.assertGreater(mean(last, "joint_pck"), mean(first, "joint_pck") + 0.2)
        for step in progress:
            self.assertTrue(0 <= step["statistics"]["joint_pck"] <= 1)

    def test_joints_of_people_it_never_saw_are_nearer_to_the_true_ones_than_the_mean(self):
        report = self.annotate("pose")
        self.assertTrue(report["written"])
        found, truth = self.joints_of("other", "pose"), self.joints_of("other")
        self.assertEqual(found.shape, truth.shape)
        self.assertEqual(report["frames"], len(truth))
        self.assertTrue(numpy.isfinite(found).all())
        self.assertTrue((found[..., 0] >= -0.5).all() and (found[..., 0] <= 63.5).all())
        self.assertTrue((found[..., 1] >= -0.5).all() and (found[..., 1] <= 127.5).all())
        self.assertTrue((found[..., 2] >= 0).all() and (found[..., 2] <= 1).all())
        known = truth[..., 2] > 0
        seen = self.joints_of("seen")
        weight = (seen[..., 2:] > 0).astype(float)
        mean_joint = (seen[..., :2] * weight).sum(0) / weight.sum(0)

        def error(places):
            return numpy.linalg.norm(places - truth[..., :2], axis=-1)[known].mean()
        ours, theirs = error(found[..., :2]), error(mean_joint[None])
        print(f"mean joint error {ours:.2f} pixels, of the mean joint {theirs:.2f}")
        self.assertLess(ours, 0.9 * theirs)
        info = muster_json("store", "info", self.shared / "other")
        origin, = [entry["origin"] for entry in info["annotations"] if entry["name"] == "pose"]
        self.assertEqual(origin, report["origin"])
        self.assertIn("(synthetic)", origin)
        muster("store", "verify", self.shared / "other")

    def test_asking_twice_does_nothing_and_other_weights_are_refused(self):
        self.assertTrue(self.annotate("taken")["written"])
        before = self.joints_of("other", "taken")
        self.assertFalse(self.annotate("taken")["written"])
        self.train("untrained", 0)
        arguments = ("annotate", "--run", self.shared / "untrained", "--store",
                     f"other={self.shared / 'other'}", "--name", "taken")
        error = muster(*arguments, code=2).stderr
        self.assertIn("annotation taken of", error)
        numpy.testing.assert_array_equal(self.joints_of("other", "taken"), before)
        muster(*arguments, "--replace")
        self.assertTrue((self.joints_of("other", "taken") != before).any())
        muster("store", "verify", self.shared / "other")

    def test_a_training_takes_the_joints_by_name(self):
        self.annotate("named", store="seen")
        taken = "--set", "data.joints=named"
        self.train("second", 2, *taken)
        self.assertEqual(len(progress_of(self.shared / "second")), 2)
        error = self.train("third", 2, "--set", "data.joints=absent", code=2).stderr
        self.assertIn("absent", error)

    def test_nobody_is_compared_by_it(self):
        store = f"other={self.shared / 'other'}"
        error = muster("extract", "--run", self.shared / "run", "--store", store, "--features",
                       self.directory / "f.h5", code=2).stderr
        self.assertIn("network pose_network: tells nobody apart", error)
        models = muster_json("models", "list")["models"]
        distances = {entry["name"]: entry["distance"] for entry in models}
        self.assertFalse(distances.pop("pose_network"))
        self.assertTrue(all(distances.values()))
        error = self.train("identity", 1, "--set", "training.loss.identity.weight=1", code=2).stderr
        self.assertIn("no classifier", error)

    def test_bad_commands_are_refused(self):
        for name in ["a/b", "a" * 101, "a" * 400]:
            error = muster("annotate", "--run", self.shared / "run", "--store",
                           f"other={self.shared / 'other'}", "--name", name, code=2).stderr
            self.assertIn("is no name for a folder; choose another of at most 100 bytes", error)
            self.assertEqual(error.count("\n"), 1, error)
        error = muster("annotate", "--run", self.shared / "absent", "--store",
                       f"other={self.shared / 'other'}", "--name", "a", code=2).stderr
        self.assertIn("absent", error)


if __name__ == "__main__":
    unittest.main()
