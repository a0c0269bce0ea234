"""muster models, and metrics that muster score learns."""
import importlib.util
import json
import resource
import sys
import unittest

import h5py
import numpy

from support import SOURCE, TemporaryDirectoryTest, muster, muster_json

sys.path.insert(0, str(SOURCE / "tests"))
from safetensors_file import read_tensors, write_tensors  # noqa: E402

SMALL = ["--set", "model.stsrn.width=0.25", "--set", "model.stsrn.features=8"]


def small_stsrn_weights(identities=0):
    """Of STSRN at width 0.25 with 8 features: 4, 8 and 8 maps."""
    random = numpy.random.default_rng(1)
    shapes = {"conv.weight": (4, 5, 5, 5), "conv.bias": (4,),
              "features.weight": (8, 640), "features.bias": (8,), "synergy": (8,)}
    for block, inputs in (("residual1", 4), ("residual2", 8)):
        shapes |= {f"{block}.main1.weight": (8, inputs, 5, 5), f"{block}.main1.bias": (8,),
                   f"{block}.main2.weight": (8, 8, 3, 3), f"{block}.main2.bias": (8,),
                   f"{block}.shortcut.weight": (8, inputs, 5, 5), f"{block}.shortcut.bias": (8,)}
    for layer in ("input_to_hidden", "hidden_to_hidden"):
        shapes |= {f"{layer}.weight": (8, 8), f"{layer}.bias": (8,)}
    if identities:
        shapes |= {"classifier.weight": (identities, 8), "classifier.bias": (identities,)}
    return {name: random.normal(0, 0.1, shape).astype(numpy.float32)
            for name, shape in shapes.items()}


def clips(count, frames=3, kind=numpy.float32, seed=2):
    return numpy.random.default_rng(seed).normal(size=(count, frames, 5, 56, 40)).astype(kind)


class ModelsTest(TemporaryDirectoryTest):
    def test_list_tells_every_network_and_its_parameters(self):
        listed = muster_json("models", "list")
        stsrn, = [entry for entry in listed["models"] if entry["name"] == "stsrn"]
        described = muster_json("models", "describe", "stsrn")
        self.assertEqual(stsrn["parameters"], described["parameters"])
        for entry in listed["models"]:
            for row in entry["rows"]:
                self.assertGreater(row["parameters"], 0, row)
        self.assertIn("stsrn: Su et al. 2018", muster("models", "list").stdout)

    def test_describe_counts_what_the_layers_do(self):
        described = muster_json("models", "describe", "stsrn", *SMALL, "--frames", 7,
                                "--identities", 3)
        layers = {layer["name"]: layer for layer in described["layers"]}
        weights = small_stsrn_weights(3)
        self.assertEqual(described["parameters"], sum(value.size for value in weights.values()))
        self.assertEqual(layers["conv"], {"name": "conv", "output": [7, 4, 60, 44],
                                          "parameters": 504,
                                          "multiply_adds": 7 * 60 * 44 * 4 * 5 * 25})
        self.assertEqual(layers["features"]["output"], [1, 7, 8])
        self.assertEqual(layers["features"]["multiply_adds"], 7 * 640 * 8)
        self.assertEqual(layers["hidden_to_hidden"]["multiply_adds"], (7 - 1) * 8 * 8)
        self.assertEqual(layers["classifier"]["multiply_adds"], 8 * 3)
        self.assertEqual(described["outputs"], {"features": [1, 8], "logits.identity": [1, 3]})
        self.assertEqual(described["multiply_adds"],
                         sum(layer["multiply_adds"] for layer in described["layers"]))
        text = muster("models", "describe", "stsrn", *SMALL, "--frames", 7).stdout
        self.assertIn("[7, 4, 60, 44]", text)

    def test_a_network_larger_than_memory_is_refused_in_one_line(self):
        def take_memory_away():
            resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))
        done = muster("models", "describe", "trl", "--identities", 10_000_000, code=1,
                      preexec_fn=take_memory_away)
        self.assertEqual(done.stderr.splitlines(), [
            "muster: not enough memory; lower the settings that make networks or batches large"])

    def test_describe_counts_recurrent_nets(self):
        described = muster_json("models", "describe", "tam_srm", "--frames", 6)
        recurrent = sum(layer["multiply_adds"] for layer in described["layers"]
                        if layer["name"].startswith(("metric.time", "metric.horizontal",
                                                     "metric.vertical")))
        # Three axes, two directions, four gates of 64 from 64 inputs at each of 216 places and from
        # 64 units at all but the first of each line.
        self.assertEqual(recurrent, 3 * 2 * 4 * 64 * 64 * (216 + 216 - 36))

    def test_every_row_of_every_table_can_be_described(self):
        for entry in muster_json("models", "list")["models"]:
            rows = {row["model"]: row["parameters"] for row in entry["rows"]}
            small = [text for text, parameters in rows.items() if parameters < 2e7]
            for text in small or list(rows)[:1]:
                settings = text[text.index("{") + 1:text.rindex("}")].split()
                pairs = zip(settings[::2], settings[1::2])
                described = muster_json(
                    "models", "describe", entry["name"], "--frames",
                    6 if entry["name"] == "tam_srm" else 2,
                    *[part for name, value in pairs
                      for part in ("--set", f"model.{entry['name']}.{name[:-1]}={value}")])
                self.assertEqual(described["parameters"], rows[text], text)
                self.assertGreater(described["multiply_adds"], 0)

    def forward(self, weights, tensors, *arguments, code=0):
        written = self.directory / "out.safetensors"
        done = muster("models", "forward", "stsrn", *SMALL, *arguments, "--weights",
                      write_tensors(self.directory / "weights.safetensors", weights),
                      "--input", write_tensors(self.directory / "in.safetensors", tensors),
                      "--output", written, code=code)
        if code:
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
            self.assertFalse(written.exists())
            return done.stderr
        return read_tensors(written)

    def test_forward_writes_signature_scores_and_distance(self):
        first, second = clips(2), clips(3, seed=4)
        outputs = self.forward(small_stsrn_weights(6), {"input": first, "other": second})
        self.assertEqual({name: value.shape for name, value in outputs.items()},
                         {"features": (2, 8), "logits.identity": (2, 6),
                          "other.features": (3, 8), "other.logits.identity": (3, 6),
                          "distance": (2, 3)})
        difference = outputs["features"][:, None] - outputs["other.features"][None]
        numpy.testing.assert_allclose(outputs["distance"], numpy.linalg.norm(difference, axis=2),
                                      rtol=1e-5)
        weights = small_stsrn_weights(6)
        numpy.testing.assert_allclose(
            outputs["logits.identity"], outputs["features"] @ weights["classifier.weight"].T
            + weights["classifier.bias"], rtol=1e-4, atol=1e-6)

    def test_forward_computes_in_the_type_of_its_input(self):
        weights, exact = small_stsrn_weights(), clips(1, kind=numpy.float64)
        doubles = self.forward(weights, {"input": exact})["features"]
        singles = self.forward(weights, {"input": exact.astype(numpy.float32)})["features"]
        self.assertEqual((doubles.dtype, singles.dtype), (numpy.float64, numpy.float32))
        numpy.testing.assert_allclose(doubles, singles, rtol=1e-3, atol=1e-5)
        self.assertGreater(abs(doubles - singles).max(), 0)

    def test_weights_of_float64_lose_nothing(self):
        weights = {name: value.astype(numpy.float64) * (1 + 1e-12)
                   for name, value in small_stsrn_weights().items()}
        exact = clips(1, kind=numpy.float64)
        rounded = {name: value.astype(numpy.float32) for name, value in weights.items()}
        difference = (self.forward(weights, {"input": exact})["features"]
                      - self.forward(rounded, {"input": exact})["features"])
        self.assertGreater(abs(difference).max(), 0)

    def test_only_outputs_are_replaced(self):
        written = self.directory / "out.safetensors"
        self.forward(small_stsrn_weights(), {"input": clips(1)})
        self.forward(small_stsrn_weights(), {"input": clips(2)})  # its own
        self.assertEqual(read_tensors(written)["features"].shape, (2, 8))
        for content in (b"notes", (self.directory / "in.safetensors").read_bytes()):
            written.write_bytes(content)
            error = muster("models", "forward", "stsrn", *SMALL, "--weights",
                           self.directory / "weights.safetensors", "--input",
                           self.directory / "in.safetensors", "--output", written, code=2).stderr
            self.assertIn("is there and no output of muster models forward", error)
            self.assertEqual(written.read_bytes(), content)

    def test_no_clips_have_no_signatures(self):
        outputs = self.forward(small_stsrn_weights(), {"input": clips(0)})
        self.assertEqual(outputs["features"].shape, (0, 8))

    def test_wrong_inputs_are_refused_by_name(self):
        weights = small_stsrn_weights()
        for tensors, part in [
                ({}, "in.safetensors: has no tensor 'input'"),
                ({"input": clips(1)[..., :39].copy()}, "tensor 'input' is [1, 3, 5, 56, 39]"),
                ({"input": clips(1)[:, :, :3].copy()}, "of sizes [any, any, 5, 56, 40]"),
                ({"input": clips(1), "inptu": clips(1)}, "did you mean 'input'?"),
                ({"input": clips(1)[0]}, "tensor 'input' is [3, 5, 56, 40]"),
                ({"input": clips(1)[:, :0].copy()}, "has no frames"),
                ({"input": numpy.full((1, 2, 5, 56, 40), numpy.nan)}, "not finite"),
                ({"input": clips(1), "other": clips(1)[..., 1:].copy()}, "tensor 'other' is")]:
            self.assertIn(part, self.forward(weights, tensors, code=2))

    def test_wrong_weights_are_refused_by_name(self):
        good = small_stsrn_weights()
        without = {name: value for name, value in good.items() if name != "conv.bias"}
        wider = good | {"features.bias": numpy.zeros(9, numpy.float32)}
        broken = good | {"synergy": numpy.full(8, numpy.nan, numpy.float32)}
        foreign = {"fc.weight": numpy.zeros((2, 2), numpy.float32)}
        for weights, part in [
                (without, "'conv.bias' is missing"),
                (wider, "'features.bias' is [9] in the file, [8] in the network"),
                (broken, "tensor 'synergy' holds values that are not finite"),
                (good | foreign, "'fc.weight' belongs to no parameter"),
                (foreign, "does not fit the network")]:
            self.assertIn(part, self.forward(weights, {"input": clips(1)}, code=2))
        self.assertIn("weights.safetensors: 0 of 1 tensors fit; it is of another network",
                      self.forward(foreign, {"input": clips(1)}, "--partial", code=2))
        chance = {f"other{i}.weight": numpy.zeros(1, numpy.float32) for i in range(10)}
        chance["conv.bias"] = good["conv.bias"]
        self.assertIn("1 of 11 tensors fit; it is of another network",
                      self.forward(chance, {"input": clips(1)}, "--partial", code=2))

    def test_partial_loading_says_what_was_left_out(self):
        weights = small_stsrn_weights()
        del weights["conv.bias"]
        weights["fc.weight"] = numpy.zeros((2, 2), numpy.float32)
        done = muster("models", "forward", "stsrn", *SMALL, "--partial", "--weights",
                      write_tensors(self.directory / "weights", weights), "--input",
                      write_tensors(self.directory / "in", {"input": clips(1)}), "--output",
                      self.directory / "out")
        self.assertEqual(done.stderr.splitlines(),
                         ["20 loaded, 0 not fitting, 1 not in the file, 1 not in the network",
                          "not in the file: conv.bias", "not in the network: fc.weight"])

    def test_a_long_list_of_what_was_left_out_is_cut(self):
        random = numpy.random.default_rng(5)
        weights = small_stsrn_weights() | {
            f"fc{i}.weight": random.normal(size=2).astype(numpy.float32) for i in range(12)}
        done = muster("models", "forward", "stsrn", *SMALL, "--partial", "--weights",
                      write_tensors(self.directory / "weights", weights), "--input",
                      write_tensors(self.directory / "in", {"input": clips(1)}), "--output",
                      self.directory / "out")
        self.assertEqual(len(done.stderr.splitlines()), 1 + 8 + 1, done.stderr)
        self.assertTrue(done.stderr.endswith("not in the network: and 4 more\n"), done.stderr)

    def test_after_a_partial_loading_an_error_stands_alone(self):
        weights = small_stsrn_weights()
        del weights["conv.bias"]
        error = self.forward(weights, {"input": clips(1), "other": clips(1)[..., 1:].copy()},
                             "--partial", code=2)  # of one line
        self.assertIn("tensor 'other' is", error)

    def test_damaged_weight_files_are_refused_in_one_line(self):
        path = self.directory / "weights"
        whole = write_tensors(path, small_stsrn_weights()).read_bytes()
        for content in [b"", whole[:5], whole[:100], whole[:-1], whole + b"x",
                        b"\xff" * 8 + whole[8:], whole.replace(b"F32", b"F99", 1),
                        whole.replace(b"[0, ", b"[4, ", 1)]:
            path.write_bytes(content)
            error = muster("models", "forward", "stsrn", *SMALL, "--weights", path, "--input", path,
                           "--output", self.directory / "out", code=2).stderr
            self.assertIn(f"muster: {path}: ", error)
            self.assertEqual(error.count("\n"), 1, error)

    def test_wrong_names_and_settings_are_refused(self):
        for arguments, part in [
                (["models", "lst"], "did you mean 'list'?"),
                (["models", "list", "stsrn"], "muster models list: takes no name: 'stsrn'"),
                (["models", "describe", "strsn"], "did you mean 'stsrn'?"),
                (["models", "describe"], "name"),
                (["models", "describe", "stsrn", "--set", "model.stsrn.widht=1"], "'width'"),
                (["models", "describe", "stsrn", "--set", "training.steps=1"], "does not reach"),
                (["models", "describe", "stsrn", "--set", "model.stsrn=off"], "does not reach"),
                (["models", "describe", "stsrn", "--frames", "0"], "frames"),
                (["models", "forward", "stsrn"], "output")]:
            self.assertIn(part, muster(*arguments, code=2).stderr, arguments)


class ForwardInputsTest(TemporaryDirectoryTest):
    """Of networks with boxes, joints and pairs; one tensor of the file fits, which is enough."""

    SMALL_NETWORKS = {
        "stal": ["width=0.125", "input_size=32", "part_size=2", "pool_parts=true"],
        "trl": ["width=0.1", "input_size=32", "alignment=UNALIGNED", "hidden=8"],
        "tam_srm": ["width=0.1", "input_size=67", "feature_size=8", "recurrent_size=8",
                    "metric_channels=4", "metric_hidden=4"]}
    ONE_WEIGHT = {"stal": {"part6.fc.bias": numpy.zeros(2, numpy.float32)},
                  "tam_srm": {"metric.hidden.bias": numpy.zeros(4, numpy.float32)}}
    PICTURES = {"stal": (2, 1, 3, 32, 32), "trl": (2, 1, 3, 32, 32), "tam_srm": (2, 6, 3, 67, 67)}
    BOXES = numpy.tile(numpy.float32([2, 3, 25, 30]), (2, 1, 6, 1))
    JOINTS = numpy.full((2, 1, 14, 3), 9, numpy.float32)

    def forward(self, network, tensors, *settings, code=0):
        self.written = self.directory / "out"
        self.written.unlink(missing_ok=True)
        done = muster(
            "models", "forward", network,
            *[part for setting in (*self.SMALL_NETWORKS[network], *settings)
              for part in ("--set", f"model.{network}.{setting}")],
            "--partial", "--weights",
            write_tensors(self.directory / "weights", self.ONE_WEIGHT.get(network, {})),
            "--input", write_tensors(self.directory / "in", tensors), "--output", self.written,
            code=code)
        if code:
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
            self.assertFalse(self.written.exists())
        return done.stderr

    def pictures(self, network, count=2, seed=6):
        shape = (count, *self.PICTURES[network][1:])
        return numpy.random.default_rng(seed).normal(size=shape).astype(numpy.float32)

    def test_tensors_that_a_network_does_not_look_at_are_refused_by_name(self):
        joined, alone = ["boxes=BOXES_OF_JOINTS"], ["branches=GLOBAL_BRANCH"]
        unknown = "is not known to this network; leave it out"
        for network, settings, name, value, part in [
                ("stal", [], "joints", self.JOINTS, unknown),
                ("stal", [], "other_joints", self.JOINTS, unknown),
                ("trl", [], "joints", self.JOINTS, unknown),
                ("trl", [], "boxes", self.BOXES, unknown),
                ("tam_srm", [], "other_boxes", self.BOXES, unknown),
                ("stal", [], "other_boxes", self.BOXES, "is there without 'other'"),
                ("stal", joined, "other_joints", self.JOINTS, "is there without 'other'"),
                ("stal", [], "other_flow", self.BOXES, "is not known")]:
            tensors = {"input": self.pictures(network), name: value}
            self.assertIn(f"in: tensor '{name}' {part}",
                          self.forward(network, tensors, *settings, code=2))
        # Without parts there is nothing to cut out.
        small = self.SMALL_NETWORKS | {"stal": ["width=0.125", "input_size=32"]}
        self.SMALL_NETWORKS = small
        error = self.forward("stal", {"input": self.pictures("stal"), "boxes": self.BOXES}, *alone,
                             code=2)
        self.assertIn(f"tensor 'boxes' {unknown}", error)

    def test_boxes_are_of_both_sides_or_of_neither(self):
        both = {"input": self.pictures("stal"), "other": self.pictures("stal", seed=7)}
        for given, missing in [("boxes", "other_boxes"), ("other_boxes", "boxes")]:
            error = self.forward("stal", both | {given: self.BOXES}, code=2)
            self.assertIn(f"tensor '{given}' is there without '{missing}'", error)
        self.forward("stal", both | {"boxes": self.BOXES, "other_boxes": self.BOXES})
        self.assertEqual(read_tensors(self.written)["distance"].shape, (2, 2))

    def test_boxes_come_before_joints(self):
        by_joints = ["boxes=BOXES_OF_JOINTS"]
        pictures = {"input": self.pictures("stal")}
        self.assertIn("in: has no tensor 'joints'",
                      self.forward("stal", pictures, *by_joints, code=2))
        found = []
        for tensors in [{"boxes": self.BOXES}, {"boxes": self.BOXES, "joints": self.JOINTS},
                        {"joints": self.JOINTS}]:
            self.forward("stal", pictures | tensors, *by_joints)
            found.append(read_tensors(self.written)["parts"])
        numpy.testing.assert_array_equal(found[0], found[1])
        self.assertGreater(abs(found[0] - found[2]).max(), 0)

    def test_pairs_are_judged_where_either_side_has_as_many(self):
        note = ("pair_logits are left out: they want as many clips in 'other' as in 'input', "
                "3 are not 2")
        first = self.pictures("tam_srm")
        for others in (2, 3):
            notes = self.forward("tam_srm", {"input": first,
                                             "other": self.pictures("tam_srm", others, 7)})
            outputs = read_tensors(self.written)
            self.assertEqual(outputs["distance"].shape, (2, others))
            self.assertEqual("pair_logits" in outputs, others == 2)
            self.assertEqual(note in notes.splitlines(), others == 3)


class LearnedMetricTest(TemporaryDirectoryTest):
    def features(self, path, train_persons=40):
        """Persons differ in the first two of 6 features; the others are loud noise."""
        random = numpy.random.default_rng(3)
        persons = 20 + train_persons
        identity = numpy.repeat(numpy.arange(persons), 2)
        camera = numpy.tile([1, 2], persons)
        values = random.normal(size=(persons * 2, 6)) * [0.1, 0.1, 9, 9, 9, 9]
        values[:, :2] += random.normal(size=(persons, 2))[identity] * 3
        role = numpy.where(identity < 20, camera, 16)
        with h5py.File(path, "w") as file:
            file["features"] = values.astype(numpy.float32)
            for name, column in (("identity", identity), ("camera", camera), ("role", role)):
                file[name] = column.astype(numpy.int32)
        return path

    def test_learned_metrics_find_the_features_that_tell_persons_apart(self):
        features = self.features(self.directory / "features.h5")
        plain = muster_json("score", "--features", features)["rank"]["1"]
        for metric in ("kissme", "xqda"):
            scored = muster_json("score", "--features", features, "--metric", metric)
            self.assertEqual(scored["metric"], metric)
            self.assertGreater(scored["rank"]["1"], plain + 0.4, metric)

    def test_training_rows_may_be_in_another_file(self):
        both = self.features(self.directory / "both.h5")
        tested = self.features(self.directory / "tested.h5", train_persons=0)
        error = muster("score", "--features", tested, "--metric", "xqda", code=2).stderr
        self.assertIn("tested.h5: has no row with the train role", error)
        scored = muster_json("score", "--features", tested, "--metric", "xqda",
                             "--train-features", both)
        self.assertGreater(scored["rank"]["1"], 0.5)

    def test_degenerate_training_rows_and_settings_are_refused(self):
        few = self.features(self.directory / "few.h5", train_persons=3)
        constant = self.features(self.directory / "constant.h5")
        with h5py.File(constant, "a") as file:
            file["features"][...] = 1
        for file, metric, part in [
                (few, "kissme", "span only 3 of 5 dimensions; keep fewer principal components"),
                (constant, "kissme", "no two different vectors"),
                (constant, "xqda", "no two different vectors")]:
            error = muster("score", "--features", file, "--metric", metric, code=2).stderr
            self.assertIn(part, error)
            self.assertEqual(error.count("\n"), 1, error)
        for arguments, part in [
                (["--metric", "kissme", "--set", "scoring.learned.components=0"], "at least 1"),
                (["--metric", "xqda", "--set", "scoring.learned.lambda=0"], "above 0"),
                (["--metric", "xqda", "--set", "training.steps=1"], "does not reach scoring"),
                (["--set", "scoring.learned.seed=2"], "does not reach metric euclidean"),
                (["--metric", "xdqa"], "did you mean 'xqda'?")]:
            self.assertIn(part, muster("score", "--features", few, *arguments, code=2).stderr)

    def test_numpys_answers_are_those_that_the_unit_tests_compare_with(self):
        folder = SOURCE / "tests" / "models"
        spec = importlib.util.spec_from_file_location("reference",
                                                      folder / "metric_learning_reference.py")
        reference = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(reference)
        stored = json.loads((folder / "metric_learning_reference.json").read_text())
        computed = json.loads(json.dumps(reference.cases()))
        for learner, cases in computed.items():
            for case, kept in zip(cases, stored[learner], strict=True):
                numpy.testing.assert_allclose(case.pop("distances"), kept.pop("distances"),
                                              rtol=1e-9)
                self.assertEqual(case, kept)


if __name__ == "__main__":
    unittest.main()
