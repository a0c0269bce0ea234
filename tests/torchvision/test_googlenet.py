"""GoogLeNet against torchvision's, with the same random weights.

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
import torchvision

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


def read_tensor(path, name):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    entry = json.loads(data[8:8 + size])[name]
    first, last = entry["data_offsets"]
    values = numpy.frombuffer(data[8 + size + first:8 + size + last], "<f4")
    return torch.from_numpy(values.reshape(entry["shape"]).copy())


def trunk(network, images):
    """Up to the pool before the classifier."""
    maps = network.maxpool1(network.conv1(images))
    maps = network.maxpool2(network.conv3(network.conv2(maps)))
    maps = network.maxpool3(network.inception3b(network.inception3a(maps)))
    for letter in "abcde":
        maps = getattr(network, "inception4" + letter)(maps)
    return network.inception5b(network.inception5a(network.maxpool4(maps)))


class GoogLeNetTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        torch.manual_seed(1)
        network = torchvision.models.GoogLeNet(aux_logits=False, transform_input=False,
                                               init_weights=False)
        with torch.no_grad():
            for name, value in network.named_parameters():
                if value.dim() == 1:
                    value.copy_(1 + 0.2 * torch.randn_like(value) if name.endswith("weight")
                                else 0.2 * torch.randn_like(value))
                else:
                    torch.nn.init.kaiming_normal_(value)
            network.train()
            for _ in range(20):
                trunk(network, torch.randn(4, 3, 128, 64))
        cls.network = network

    def compare(self, training, height, width):
        images = torch.randn(2, 3, height, width)
        weights = {name: value.clone() for name, value in self.network.state_dict().items()
                   if not name.startswith("fc.") and not name.endswith("num_batches_tracked")}
        self.network.train(training)
        with torch.no_grad():
            expected = trunk(self.network, images)
            self.network.load_state_dict(weights, strict=False)  # training moves statistics
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            write_tensors(folder / "weights.safetensors", weights)
            write_tensors(folder / "input.safetensors", {"input": images})
            subprocess.run([PROGRAM, "googlenet", "train" if training else "eval",
                            folder / "weights.safetensors", folder / "input.safetensors",
                            folder / "output.safetensors"], check=True)
            measured = read_tensor(folder / "output.safetensors", "output")
        self.assertEqual(measured.shape, expected.shape)
        self.assertGreater(expected.std().item(), 0.1)
        self.assertLess(((measured - expected).norm() / expected.norm()).item(), 1e-4)

    def test_evaluation(self):
        self.compare(False, 224, 224)

    def test_evaluation_of_small_oblong_images(self):
        self.compare(False, 96, 32)

    def test_training(self):
        self.compare(True, 128, 96)


if __name__ == "__main__":
    unittest.main()
