"""CaffeNet against its prototxt written down in torch, with the same random weights."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

import torch
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from test_googlenet import PROGRAM, read_tensor, write_tensors  # noqa: E402


class CaffeNet(nn.Module):
    def __init__(self, places):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 96, 11, stride=4)
        self.conv2 = nn.Conv2d(96, 256, 5, padding=2, groups=2)
        self.conv3 = nn.Conv2d(256, 384, 3, padding=1)
        self.conv4 = nn.Conv2d(384, 384, 3, padding=1, groups=2)
        self.conv5 = nn.Conv2d(384, 256, 3, padding=1, groups=2)
        self.fc6 = nn.Linear(256 * places, 1024)
        self.fc7 = nn.Linear(1024, 1024)
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.norm = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1)

    def forward(self, images):
        maps = self.norm(self.pool(self.conv1(images).relu()))
        maps = self.norm(self.pool(self.conv2(maps).relu()))
        maps = self.conv4(self.conv3(maps).relu()).relu()
        maps = self.pool(self.conv5(maps).relu())
        return self.fc7(self.fc6(maps.flatten(1)).relu()).relu()


class CaffeNetTest(unittest.TestCase):
    def compare(self, mode, size, places):
        torch.manual_seed(size)
        network = CaffeNet(places)
        with torch.no_grad():
            for value in network.parameters():
                if value.dim() == 1:
                    value.copy_(0.2 * torch.randn_like(value))
                else:
                    nn.init.kaiming_normal_(value)
            # Pixels from 0 to 255 less a mean: the normalisations matter.
            images = 60 * torch.randn(2, 3, size, size)
            expected = network(images)
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            write_tensors(folder / "weights.safetensors", network.state_dict())
            write_tensors(folder / "input.safetensors", {"input": images})
            subprocess.run([PROGRAM, "caffenet", mode, folder / "weights.safetensors",
                            folder / "input.safetensors", folder / "output.safetensors"],
                           check=True)
            measured = read_tensor(folder / "output.safetensors", "output")
        self.assertEqual(measured.shape, expected.shape)
        self.assertGreater(expected.std().item(), 0.1)
        self.assertLess(((measured - expected).norm() / expected.norm()).item(), 1e-4)

    def test_evaluation(self):
        self.compare("eval", 227, 36)

    def test_evaluation_where_pools_round_up(self):
        self.compare("eval", 115, 9)

    def test_training(self):
        self.compare("train", 227, 36)


if __name__ == "__main__":
    unittest.main()
