"""A network's own distance between signatures of several tensors, and its settings at scoring."""
import csv
import io
import json
import shutil
import unittest

import h5py
import numpy

from support import SmallStoreTest, muster, muster_json

QUERY, GALLERY = 1, 2


def unit(rows):
    return rows / numpy.linalg.norm(rows, axis=1, keepdims=True)


def mean_average_precision(features, identity, role):
    """One right answer for every query: the mean of one by its rank."""
    total = 0
    queries = numpy.flatnonzero(role & QUERY)
    gallery = numpy.flatnonzero(role & GALLERY)
    for query in queries:
        distance = numpy.linalg.norm(features[gallery] - features[query], axis=1)
        order = identity[gallery][numpy.argsort(distance, kind="stable")]
        total += 1 / (1 + numpy.flatnonzero(order == identity[query])[0])
    return total / len(queries)


class NetworkDistanceTest(SmallStoreTest):
    IDENTITIES = 24

    SPEC = """
        name: "small"
        data { train: "small" test: "small" protocol: "random-half" }
        model { trl { width: 0.0625 input_size: 32 hidden: 8 localisation_hidden: 8
                      localisation_channels: 8 alpha: 0.25 } }
        training {
          steps: 60  # until batch norms know the statistics: before, all features are alike
          batch { identities: 4 clips: 2 frames: 3 }
          loss { identity {} }
          optimizer { adam {} learning_rate: 0.001 }
        }
        extraction { max_frames: 6 }
        scoring { metric: MODEL }
    """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        spec = cls.shared / "spec.textproto"
        spec.write_text(cls.SPEC)
        cls.run_of_trl, cls.features = cls.shared / "run", cls.shared / "features.h5"
        muster("train", "--spec", spec, "--store", f"small={cls.store}", "--run", cls.run_of_trl)
        cls.extracted = muster_json("extract", "--run", cls.run_of_trl, "--store",
                                    f"small={cls.store}", "--features", cls.features)

    def spec(self, text=None):
        return super().spec(self.SPEC if text is None else text)

    def score(self, *settings, **options):
        return muster("score", "--features", self.features, "--run", self.run_of_trl, "--json",
                      *[part for setting in settings for part in ("--set", setting)], **options)

    def precision(self, *settings):
        return json.loads(self.score(*settings).stdout)["map"]

    def stream(self, name, alpha):
        """Of unit length [tracklets, features], by equation 16's parts."""
        with h5py.File(self.features) as file:
            generic, specific = (file[f"{name}_{part}"][:].astype(float).mean(1)
                                 for part in ("generic", "specific"))
        return unit(alpha * generic + (1 - alpha) * specific)

    def expected(self, features):
        with h5py.File(self.features) as file:
            return mean_average_precision(features, file["identity"][:], file["role"][:])

    def test_the_file_holds_what_the_distance_reads(self):
        self.assertEqual(self.extracted["variants"], 2)
        self.assertEqual(set(self.extracted["tensors"]), {
            f"{stream}_{part}" for stream in ("main", "aligned") for part in ("generic", "specific")})

    def test_beta_weighs_the_streams(self):
        main, aligned = self.stream("main", 0.25), self.stream("aligned", 0.25)
        only_main = self.precision("model.trl.beta=1")
        only_aligned = self.precision("model.trl.beta=0")
        self.assertNotEqual(only_main, only_aligned)
        self.assertEqual(only_main, self.precision("model.trl.streams=MAIN_ONLY"))
        self.assertEqual(only_aligned, self.precision("model.trl.streams=ALIGNED_ONLY"))
        self.assertAlmostEqual(only_main, self.expected(main), places=6)
        self.assertAlmostEqual(only_aligned, self.expected(aligned), places=6)
        for settings, beta in [((), 0.5), (("model.trl.beta=0.3",), 0.3)]:
            both = numpy.concatenate([beta * main, (1 - beta) * aligned], axis=1)
            self.assertAlmostEqual(self.precision(*settings), self.expected(both), places=6)

    def test_features_of_other_weights_are_refused(self):
        other = self.directory / "other"
        muster("train", "--spec", self.spec(), "--store", f"small={self.store}", "--run", other,
               "--set", "training.steps=1")
        for metric in ("model", "euclidean"):
            error = muster("score", "--features", self.features, "--run", other, "--metric", metric,
                           code=2).stderr
            self.assertIn("was extracted with other weights", error)
            self.assertEqual(error.count("\n"), 1, error)

    def test_learned_metrics_see_the_vectors_that_the_network_compares(self):
        features = self.directory / "all.h5"
        muster("extract", "--run", self.run_of_trl, "--store", f"small={self.store}", "--role",
               "probe,gallery,train", "--features", features)
        plain = self.directory / "plain.h5"
        with h5py.File(features) as file, h5py.File(plain, "w") as copy:
            streams = [unit(0.25 * file[f"{stream}_generic"][:].mean(1)
                            + 0.75 * file[f"{stream}_specific"][:].mean(1))
                       for stream in ("main", "aligned")]
            copy["features"] = (0.5 * numpy.concatenate(streams, axis=1)).astype("float32")
            for name in ("identity", "camera", "role"):
                copy[name] = file[name][:]
        for metric, settings in [("xqda", ()), ("euclidean", ()),
                                 ("kissme", ("--set", "scoring.learned.components=4"))]:
            by_network = muster_json("score", "--features", features, "--run", self.run_of_trl,
                                     "--metric", metric, *settings)
            by_vectors = muster_json("score", "--features", plain, "--metric", metric, *settings)
            self.assertEqual(by_network["rank"], by_vectors["rank"], metric)
            self.assertAlmostEqual(by_network["map"], by_vectors["map"], places=6)
            error = muster("score", "--features", features, "--metric", metric, *settings,
                           code=2).stderr
            self.assertIn("has no 'features'", error)

    def test_features_of_another_network_are_refused_in_one_line(self):
        """Before any distance, also where they are the gallery's alone."""
        foreign = self.directory / "foreign.h5"
        shutil.copy(self.features, foreign)
        with h5py.File(foreign, "r+") as file:
            values = file["main_generic"][:]
            del file["main_generic"]
            file["main_generic"] = numpy.concatenate([values, values], -1)
        for arguments in (["--features", foreign],
                          ["--features", self.features, "--gallery-features", foreign]):
            error = muster("score", *arguments, "--run", self.run_of_trl, code=2).stderr
            self.assertEqual(len(error.strip().splitlines()), 1, error)
            self.assertIn(f"{foreign}: has 'main_generic' of shape [32] per row", error)
            self.assertIn("the network gives [16]", error)

    def test_alpha_at_scoring_replaces_that_of_training(self):
        seen = set()
        for alpha in (0, 0.7, 1):
            precision = self.precision("model.trl.streams=MAIN_ONLY",
                                       f"model.trl.scored_alpha={alpha}")
            self.assertAlmostEqual(precision, self.expected(self.stream("main", alpha)), places=6)
            seen.add(precision)
        self.assertGreater(len(seen), 1)

    def test_only_settings_of_scoring_may_be_set_there(self):
        for setting, part in [
                ("model.trl.width=1", "width: does not reach scoring: it is a setting of training"),
                ("extraction.crops=8", "crops: does not reach scoring: it is a setting of extraction"),
                ("model.trl.beta=2", "model.trl.beta: 2 is not in [0, 1]"),
                ("model.trl.beta=half", "model.trl.beta: 'half' is not a number"),
                ("model.trl.betta=1", "unknown field 'betta'; did you mean 'beta'?"),
                ("model.trl.beta.x=1", "'beta' has no fields of its own"),
                ("model.trl=off", "model.trl: is a group of settings"),
                ("data.test=other", "does not reach one score"),
                ("scoring.metric=COSINE", "is what --metric says"),
                ("scoring.learned.lambda=1", "does not reach metric model")]:
            error = self.score(setting, code=2).stderr
            self.assertIn(part, error)
            self.assertEqual(error.count("\n"), 1, error)
        error = muster("score", "--features", self.features, "--metric", "kissme", "--set",
                       "model.trl.beta=0", code=2).stderr
        self.assertIn("model.trl.beta=0: does not reach metric kissme; it is for model", error)

    def test_extraction_takes_its_own_settings_alone(self):
        for setting, part in [
                ("model.trl.beta=0", "does not reach extraction: it is a setting of scoring"),
                ("training.steps=1", "does not reach extraction: it is a setting of training"),
                ("extraction=off", "extraction: is a group of settings")]:
            error = muster("extract", "--run", self.run_of_trl, "--store", f"small={self.store}",
                           "--features", self.directory / "f.h5", "--set", setting, code=2).stderr
            self.assertIn(part, error)

    def test_a_setting_of_another_network_is_refused(self):
        muster("train", "--spec", self.spec(SmallStoreTest.SPEC), "--set", "training.steps=0",
               "--store", f"small={self.store}", "--run", self.directory / "run")
        features = self.directory / "stsrn.h5"
        muster("extract", "--run", self.directory / "run", "--store", f"small={self.store}",
               "--features", features)
        error = muster("score", "--features", features, "--run", self.directory / "run",
                       "--metric", "model", "--set", "model.trl.beta=0", code=2).stderr
        self.assertIn("model.trl.beta: is of trl, and the network is stsrn", error)

    def test_a_record_is_filed_under_an_experiment_with_these_settings(self):
        workspace = self.directory / "workspace"
        beta = ["--set", "model.trl.beta=0.3"]
        muster("score", "--features", self.features, "--run", self.run_of_trl, "--result",
               workspace / "results" / "small.json", *beta)

        def cells(*settings):
            return muster_json("report", self.spec(), "--workspace", workspace, "--out",
                               self.directory / "out", *settings)["cells"]

        self.assertEqual(cells(), 0)
        self.assertEqual(cells(*beta), 1)
        rows = list(csv.DictReader(io.StringIO((self.directory / "out/report.csv").read_text())))
        self.assertAlmostEqual(float(rows[0]["map"]), 100 * self.precision("model.trl.beta=0.3"),
                               delta=0.06)

    def test_settings_of_scoring_cost_no_training(self):
        note = muster("train", "--spec", self.spec(), "--set", "model.trl.beta=0.3", "--store",
                      f"small={self.store}", "--run", self.run_of_trl).stderr
        self.assertIn("already trained", note)
        self.assertIn("it keeps its settings of extraction and scoring", note)


if __name__ == "__main__":
    unittest.main()
