"""Help, mistakes and exit codes."""
import os
import subprocess
import unittest

from support import SOURCE, SmallStoreTest, TemporaryDirectoryTest, muster, muster_json

COMMANDS = ["synth", "ingest", "store", "train", "extract", "annotate", "score",
            "report", "monitor", "doctor"]


class CommandLineTest(TemporaryDirectoryTest):
    def test_help_lists_every_command_and_each_has_a_page(self):
        page = muster("--help").stdout
        for command in COMMANDS:
            self.assertIn(f"  {command} ", page)
            self.assertIn("usage: muster " + command, muster(command, "--help").stdout)

    def test_no_command_is_bad_usage(self):
        muster(code=2)

    def test_mistyped_command_is_answered_with_the_nearest(self):
        self.assertIn("did you mean 'train'?", muster("trian", code=2).stderr)

    def test_mistyped_option_is_answered_with_the_nearest(self):
        for command, option, nearest in [("synth", "--wrold", "--world"),
                                         ("train", "--sepc", "--spec"),
                                         ("score", "--feature", "--features")]:
            self.assertIn(f"did you mean '{nearest}'?", muster(command, option, "x", code=2).stderr)

    def test_mistyped_value_is_answered_with_the_nearest(self):
        self.assertIn("did you mean 'prid2011'?",
                      muster("synth", "--world", "prid2012", "--out", self.directory / "w",
                             code=2).stderr)
        self.assertIn("did you mean 'ilids-vid'?",
                      muster("ingest", "--layout", "ilidsvid", "--input", "x", "--store", "y",
                             code=2).stderr)

    def test_missing_option_is_named(self):
        self.assertIn("--out", muster("synth", "--world", "mars", code=2).stderr)

    def test_empty_path_is_refused_at_once(self):
        self.assertIn("--out: is empty",
                      muster("synth", "--world", "mars", "--out", "", code=2).stderr)

    def test_number_out_of_range_is_named(self):
        for value in ["-1", "many", "1e3", ""]:
            error = muster("synth", "--world", "mars", "--out", self.directory / "w",
                           f"--identities={value}", code=2).stderr
            self.assertIn("--identities", error)

    def test_doctor_finds_the_pieces_and_gives_remedies(self):
        findings = {f["what"]: f for f in muster_json("doctor")["findings"]}
        for piece in ["LibTorch", "MPI", "HDF5", "Prometheus", "gnuplot"]:
            self.assertEqual(findings[piece]["verdict"], "ok", findings[piece])
        # Whatever this machine has: the devices that training can choose from, and NCCL.
        self.assertRegex(findings["GPU"]["fact"], r"^(\d+ visible|.*without|built in, but none)")
        self.assertRegex(findings["NCCL"]["fact"], "built in")
        for finding in findings.values():
            self.assertTrue(finding["verdict"] == "ok" or finding["remedy"], finding)


class QuickstartOptionsTest(TemporaryDirectoryTest):
    """What ./quickstart refuses before it installs or builds anything."""

    def refusal(self, *arguments):
        done = subprocess.run([SOURCE / "quickstart", *map(str, arguments)], capture_output=True,
                              text=True, timeout=60)
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        self.assertEqual(done.stdout, "")
        return done.stderr

    def test_seeds_that_are_no_plain_numbers(self):
        for seed in ["007", "-1", "1e3", "many", "1234567890"]:
            self.assertIn(f"--seed '{seed}'", self.refusal("--seed", seed, "--workspace",
                                                           self.directory / "new"))
        self.assertEqual(os.listdir(self.directory), [])

    def test_a_directory_of_somebody_else_is_not_touched(self):
        (self.directory / "report.html").write_text("mine")
        for options in [[], ["--fresh"]]:
            error = self.refusal("--workspace", f"{self.directory}/", *options)
            self.assertIn(f"{self.directory} already exists and is not a workspace", error)
            self.assertEqual(os.listdir(self.directory), ["report.html"])
        self.refusal("--workspace", self.directory / "report.html")

    def test_a_workspace_of_another_seed(self):
        (self.directory / "seed").write_text("3\n")
        self.assertIn("was made with seed 3",
                      self.refusal("--workspace", self.directory, "--seed", "4"))


class SpecMistakesTest(SmallStoreTest):
    def train_error(self, text, *arguments):
        return muster("train", "--spec", self.spec(text), "--store", f"small={self.store}", "--run",
                      self.directory / "run", *arguments, code=2).stderr

    def test_all_unknown_fields_are_listed_with_places_and_nearest_names(self):
        error = self.train_error('name: "x"\ndata { trian: "small" }\ntraining { stepz: 3 }\n')
        self.assertIn(":2:", error)
        self.assertIn("did you mean 'train'?", error)
        self.assertIn(":3:", error)
        self.assertIn("did you mean 'steps'?", error)
        self.assertIn("2 problems, nothing was started", error)

    def test_every_bad_setting_has_a_line(self):
        error = self.train_error("", "--set", "training.stepz=3", "--set", "training.steps=many")
        lines = error.splitlines()
        self.assertEqual(len(lines), 3, error)
        self.assertIn("muster: --set training.stepz: unknown field", lines[0])
        self.assertEqual(lines[1:], ["--set training.steps: 'many' is not a whole number",
                                     "2 problems, nothing was started"])

    def test_a_device_that_is_not_there_is_refused_in_one_line(self):
        for device, part in [("cuda", "training.device: this build has no CUDA; use --device cpu"),
                             ("tpu", "--device: 'tpu' is not auto, cpu or cuda")]:
            error = self.train_error("", "--set", "data.train=small", "--device", device)
            self.assertIn(part, error)
            self.assertEqual(len(error.splitlines()), 1, error)
            self.assertFalse((self.directory / "run").exists())

    def test_bad_settings_are_refused_before_anything_starts(self):
        for setting, part in [("training.stepz=3", "did you mean 'steps'?"),
                              ("training.steps=many", "'many' is not a whole number"),
                              ("training.precision=float6", "'float6' is not one of FLOAT32, FLOAT64; "
                               "did you mean 'FLOAT64'?"),
                              ("training.optimizer.decay_steps=-3",
                               "training.optimizer.decay_steps: -3 is negative"),
                              ("training.batch.identities=99", "training.batch.identities"),
                              ("training.batch.frames=0", "not positive"),
                              ("training.optimizer.learning_rate=nan", "learning_rate"),
                              ("training.optimizer.learning_rate=-1",
                               "training.optimizer.learning_rate: -1 is not a number"),
                              ("model.stsrn.dropout=1", "model.stsrn.dropout"),
                              ("model.stsrn.features=100000",
                               "model.stsrn.features: 100000 is not in"),
                              ("data.split=10", "data.split"),
                              ("data.protocol=random-hall", "did you mean 'random-half'?"),
                              ("data.protocol=mars", "no split of its own"),
                              ("training.loader_threads=100000", "training.loader_threads"),
                              ("training.batch.frames=2000000000", "training.batch.frames"),
                              ("model.stsrn.features=2000000000", "model.stsrn.features"),
                              ("training.loss.identity.weight=-1", "identity.weight"),
                              ("training.loss.video_triplet.margin=inf", "video_triplet.margin"),
                              ("training.loss.identity=maybe", "on or off")]:
            self.assertIn(part, self.train_error(self.SPEC, "--set", setting))
        self.assertFalse((self.directory / "run").exists())

    def test_store_that_is_not_given_is_named(self):
        error = muster("train", "--spec", self.spec(), "--run", self.directory / "run",
                       code=2).stderr
        self.assertIn("--store small=DIR", error)

    def test_under_mpirun_a_mistake_is_told_once(self):
        error = self.train("run", "--set", "training.batch.identities=99", ranks=2, code=2).stderr
        self.assertEqual(error.count("training.batch.identities: 99 are asked for"), 1)


if __name__ == "__main__":
    unittest.main()
