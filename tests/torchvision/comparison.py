"""Backbones of muster against the same networks stated in python3-torch, with the same weights.

Batch-norm statistics are calibrated first: with those of an untrained network the signal dies on its
way, and a wrong pool passes unseen.
"""
import json
import os
import pathlib
import struct
import subprocess
import tempfile
import unittest

import numpy
import torch

PROGRAM = os.environ["MUSTER_FORWARD_BACKBONE"]


def write_tensors(path, tensors):
    header, blocks, offset = {}, [], 0
    for name, tensor in sorted(tensors.items()):
        block = tensor.detach().contiguous().numpy().astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape),
                        "data_offsets": [offset, offset + len(block)]}
        blocks.append(block)
        offset += len(block)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blocks))


def read_tensors(path):
    data = path.read_bytes()
    size, = struct.unpack("<Q", data[:8])
    tensors = {}
    for name, entry in json.loads(data[8:8 + size]).items():
        if name != "__metadata__":
            first, last = entry["data_offsets"]
            values = numpy.frombuffer(data[8 + size + first:8 + size + last], "<f4")
            tensors[name] = torch.from_numpy(values.reshape(entry["shape"]).copy())
    return tensors


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
