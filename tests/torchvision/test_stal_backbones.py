"""ResNet-50 against torchvision's and BN-Inception against the same network stated in torch, with the
same random weights.

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
from torch import nn
from torch.nn import functional

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


class Unit(nn.Module):
    def __init__(self, channels, out, kernel, stride=1, padding=0):
        super().__init__()
        self.conv = nn.Conv2d(channels, out, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(out)

    def forward(self, maps):
        return functional.relu(self.bn(self.conv(maps)))


class Inception(nn.Module):
    """one | three_reduce, three | double_reduce, double | pool; one 0: stride 2."""

    def __init__(self, channels, one, three, double, pool, largest=False):
        super().__init__()
        self.largest, self.halves = largest, one == 0
        stride = 2 if self.halves else 1
        self.three = nn.Sequential(Unit(channels, three[0], 1),
                                   Unit(three[0], three[1], 3, stride, 1))
        self.double = nn.Sequential(Unit(channels, double[0], 1),
                                    Unit(double[0], double[1], 3, 1, 1),
                                    Unit(double[1], double[1], 3, stride, 1))
        if self.halves:
            return
        self.one = Unit(channels, one, 1)
        self.pool = Unit(channels, pool, 1)

    def forward(self, maps):
        # By its name in the table: `double` is a method of every module.
        three, double = self.three(maps), self._modules["double"](maps)
        if self.halves:
            return torch.cat([three, double, functional.max_pool2d(maps, 3, 2, ceil_mode=True)], 1)
        pooled = (functional.max_pool2d(maps, 3, 1, 1) if self.largest
                  else functional.avg_pool2d(maps, 3, 1, 1))
        return torch.cat([self.one(maps), three, double, self.pool(pooled)], 1)


class BnInception(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = Unit(3, 64, 7, 2, 3)
        self.conv2_reduce = Unit(64, 64, 1)
        self.conv2 = Unit(64, 192, 3, 1, 1)
        self.inception3a = Inception(192, 64, (64, 64), (64, 96), 32)
        self.inception3b = Inception(256, 64, (64, 96), (64, 96), 64)
        self.inception3c = Inception(320, 0, (128, 160), (64, 96), 0)
        self.inception4a = Inception(576, 224, (64, 96), (96, 128), 128)
        self.inception4b = Inception(576, 192, (96, 128), (96, 128), 128)
        self.inception4c = Inception(576, 160, (128, 160), (128, 160), 96)
        self.inception4d = Inception(576, 96, (128, 192), (160, 192), 96)
        self.inception4e = Inception(576, 0, (128, 192), (192, 256), 0)
        self.inception5a = Inception(1024, 352, (192, 320), (160, 224), 128)
        self.inception5b = Inception(1024, 352, (192, 320), (192, 224), 128, largest=True)

    def forward(self, images):
        maps = functional.max_pool2d(self.conv1(images), 3, 2, ceil_mode=True)
        maps = self.conv2(self.conv2_reduce(maps))
        maps = functional.max_pool2d(maps, 3, 2, ceil_mode=True)
        for name in ("3a", "3b", "3c", "4a", "4b", "4c", "4d", "4e", "5a", "5b"):
            maps = getattr(self, "inception" + name)(maps)
        return maps


class ResNet50(torchvision.models.ResNet):
    """Up to the pool before the classifier."""

    def __init__(self):
        super().__init__(torchvision.models.resnet.Bottleneck, [3, 4, 6, 3])
        del self.fc

    def forward(self, images):
        maps = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        return self.layer4(self.layer3(self.layer2(self.layer1(maps))))


def calibrated(network):
    """With random weights, and running statistics that fit them."""
    with torch.no_grad():
        for name, value in network.named_parameters():
            if value.dim() == 1:
                value.copy_(1 + 0.2 * torch.randn_like(value) if name.endswith("weight")
                            else 0.2 * torch.randn_like(value))
            else:
                nn.init.kaiming_normal_(value)
        network.train()
        for _ in range(20):
            network(torch.randn(4, 3, 128, 64))
    return network


class BackboneTest:
    NAME, NETWORK = "", None

    @classmethod
    def setUpClass(cls):
        torch.manual_seed(1)
        cls.network = calibrated(cls.NETWORK())

    def compare(self, training, height, width):
        images = torch.randn(2, 3, height, width)
        weights = {name: value.clone() for name, value in self.network.state_dict().items()
                   if not name.endswith("num_batches_tracked")}
        self.network.train(training)
        with torch.no_grad():
            expected = self.network(images)
            self.network.load_state_dict(weights, strict=False)  # training moves statistics
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            write_tensors(folder / "weights.safetensors", weights)
            write_tensors(folder / "input.safetensors", {"input": images})
            subprocess.run([PROGRAM, self.NAME, "train" if training else "eval",
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


class ResNet50Test(BackboneTest, unittest.TestCase):
    NAME, NETWORK = "resnet50", ResNet50


class BnInceptionTest(BackboneTest, unittest.TestCase):
    NAME, NETWORK = "bn_inception", BnInception


if __name__ == "__main__":
    unittest.main()
