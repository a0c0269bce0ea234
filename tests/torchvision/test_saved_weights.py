"""Weights that torchvision saved, through the program: loaded by name, the same classes."""
import os
import pathlib
import subprocess
import tempfile
import unittest

import torch
import torchvision

from comparison import calibrate, read_tensors, scatter_weights, weights_of, write_tensors

MUSTER = os.environ["MUSTER"]
CLASSES = 12


def logits_of(network, images):
    outputs = network(images)
    return outputs if isinstance(outputs, torch.Tensor) else outputs.logits


class SavedWeightsTest(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="muster-test-")
        self.addCleanup(holder.cleanup)
        self.directory = pathlib.Path(holder.name)
        torch.manual_seed(1)

    def forward(self, name, *arguments):
        return subprocess.run([MUSTER, "models", "forward", name, "--weights",
                               self.directory / "weights", "--input", self.directory / "input",
                               "--output", self.directory / "output", *arguments],
                              capture_output=True, text=True)

    def classify(self, name, network, size):
        scatter_weights(network)
        calibrate(network, torch.randn(8, 3, size, size), logits_of)
        network.eval()
        images = torch.randn(5, 3, size, size)
        with torch.no_grad():
            expected = logits_of(network, images)
        self.assertGreater(len(expected.argmax(1).unique()), 1)
        write_tensors(self.directory / "weights", weights_of(network))
        write_tensors(self.directory / "input", {"input": images})
        done = self.forward(name)
        self.assertEqual(done.returncode, 0, done.stderr)
        measured = read_tensors(self.directory / "output")["logits"]
        self.assertLess(((measured - expected).norm() / expected.norm()).item(), 1e-4)
        self.assertTrue(torch.equal(measured.argmax(1), expected.argmax(1)))

    def test_googlenet_classifies_the_same(self):
        self.classify("googlenet", torchvision.models.GoogLeNet(
            CLASSES, aux_logits=False, init_weights=False), 128)

    def test_inception_v3_classifies_the_same(self):
        self.classify("inception_v3", torchvision.models.Inception3(CLASSES, init_weights=False),
                      299)

    def test_resnet50_classifies_the_same(self):
        self.classify("resnet50", torchvision.models.resnet50(weights=None, num_classes=CLASSES),
                      96)

    def test_weights_of_another_network_are_refused_in_one_line(self):
        write_tensors(self.directory / "weights",
                      weights_of(torchvision.models.alexnet(num_classes=CLASSES)))
        write_tensors(self.directory / "input", {"input": torch.zeros(1, 3, 224, 224)})
        for arguments in ([], ["--partial"]):
            done = self.forward("googlenet", *arguments)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(str(self.directory / "weights"), done.stderr)
            self.assertEqual(done.stderr.strip().count("\n"), 0, done.stderr)
            self.assertFalse((self.directory / "output").exists())

    def test_auxiliary_classifiers_of_googlenet_are_left_out_with_partial(self):
        network = torchvision.models.GoogLeNet(CLASSES, init_weights=False)
        write_tensors(self.directory / "weights", weights_of(network))
        write_tensors(self.directory / "input", {"input": torch.zeros(1, 3, 224, 224)})
        strict = self.forward("googlenet")
        self.assertEqual(strict.returncode, 2)
        self.assertIn("aux1.conv.bn.bias", strict.stderr)
        partial = self.forward("googlenet", "--partial")
        self.assertEqual(partial.returncode, 0, partial.stderr)
        self.assertIn("0 not in the file", partial.stderr)
        self.assertEqual(read_tensors(self.directory / "output")["logits"].shape, (1, CLASSES))


if __name__ == "__main__":
    unittest.main()
