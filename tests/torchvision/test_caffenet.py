"""CaffeNet against its prototxt written down in torch."""
import unittest

import torch
from torch import nn

from comparison import BackboneTest, scatter_weights


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

    def pool5(self, images):
        maps = self.norm(self.pool(self.conv1(images).relu()))
        maps = self.norm(self.pool(self.conv2(maps).relu()))
        maps = self.conv4(self.conv3(maps).relu()).relu()
        return self.pool(self.conv5(maps).relu())

    def fc(self, maps):
        return self.fc7(self.fc6(maps.flatten(1)).relu()).relu()


class CaffeNetTest(BackboneTest):
    NAME = "caffenet"

    @staticmethod
    def outputs(network, images):
        maps = network.pool5(images)
        return {"maps": maps, "features": network.fc(maps)}

    def compare_size(self, size, places, training):
        torch.manual_seed(size)
        self.network, self.SETTINGS = CaffeNet(places), f"input_size: {size}"
        scatter_weights(self.network)
        # Pixels from 0 to 255 less a mean: the normalisations matter.
        self.compare(60 * torch.randn(2, 3, size, size), training)

    def test_evaluation(self):
        self.compare_size(227, 36, training=False)

    def test_evaluation_where_pools_round_up(self):
        self.compare_size(115, 9, training=False)

    def test_training(self):
        self.compare_size(227, 36, training=True)


if __name__ == "__main__":
    unittest.main()
