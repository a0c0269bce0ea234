"""Backbones of muster against the same networks stated in python3-torch, with the same weights.

Batch-norm statistics are calibrated first: with those of an untrained network the signal dies on its
way, and a wrong pool passes unseen.
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import safetensors_file  # noqa: E402
from safetensors_file import write_tensors  # noqa: E402

PROGRAM = os.environ["MUSTER_FORWARD_BACKBONE"]


def read_tensors(path):
    stored = safetensors_file.read_tensors(path)
    return {name: torch.from_numpy(value) for name, value in stored.items()}


def scatter_weights(network):
    """Weights that let signals through: kernels of Kaiming's size, other numbers near 1 or 0."""
    with torch.no_grad():
        for name, value in network.named_parameters():
            if value.dim() > 1:
                torch.nn.init.kaiming_normal_(value)
            else:
                value.copy_(1 + 0.2 * torch.randn_like(value) if name.endswith("weight")
                            else 0.2 * torch.randn_like(value))


def calibrate(network, images, outputs):
    """Running statistics become those of `images`."""
    norms = [module for module in network.modules()
             if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)]
    network.train()
    for norm in norms:
        norm.momentum = 1
    with torch.no_grad():
        outputs(network, images)
    for norm in norms:
        norm.momentum = 0.1


def weights_of(network):
    return {name: value.clone() for name, value in network.state_dict().items()
            if not name.endswith("num_batches_tracked")}


class BackboneTest(unittest.TestCase):
    """`network` and `outputs(network, images)`, which gives {name: tensor}, are the derived test's."""

    NAME, CLASSES, SETTINGS = None, 0, ""
    network = None

    @staticmethod
    def outputs(network, images):
        raise NotImplementedError

    def compare(self, images, training):
        weights = weights_of(self.network)
        self.network.train(training)
        for module in self.network.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0
        with torch.no_grad():
            expected = self.outputs(self.network, images)
            self.network.load_state_dict(weights, strict=False)  # training moves statistics
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            write_tensors(folder / "weights.safetensors", weights)
            write_tensors(folder / "input.safetensors", {"input": images})
            subprocess.run([PROGRAM, self.NAME, "train" if training else "eval", str(self.CLASSES),
                            folder / "weights.safetensors", folder / "input.safetensors",
                            folder / "output.safetensors", self.SETTINGS], check=True)
            measured = read_tensors(folder / "output.safetensors")
        for name, value in expected.items():
            self.assertEqual(measured[name].shape, value.shape, name)
            self.assertGreater(value.std().item(), 0.01, name)
            error = ((measured[name] - value).norm() / value.norm()).item()
            self.assertLess(error, 1e-4, name)
