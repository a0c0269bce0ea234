"""GoogLeNet: torchvision's variant against torchvision, v1 against its own statement."""
import unittest

import torch
import torchvision
from torch import nn

from comparison import BackboneTest, calibrate, scatter_weights

CLASSES = 11


class GoogLeNetTest(BackboneTest):
    NAME, CLASSES = "googlenet", CLASSES

    @classmethod
    def setUpClass(cls):
        torch.manual_seed(1)
        cls.network = torchvision.models.GoogLeNet(num_classes=CLASSES, aux_logits=False,
                                                   transform_input=False, init_weights=False)
        scatter_weights(cls.network)
        calibrate(cls.network, torch.randn(8, 3, 128, 96), cls.outputs)

    @staticmethod
    def outputs(network, images):
        kept = []
        with network.inception5b.register_forward_hook(lambda *call: kept.append(call[2])):
            logits = network(images)
        return {"maps": kept[0], "features": kept[0].mean((2, 3)), "logits": logits}

    def test_evaluation(self):
        self.compare(torch.randn(2, 3, 224, 224), training=False)

    def test_evaluation_of_small_oblong_images(self):
        self.compare(torch.randn(2, 3, 96, 32), training=False)

    def test_training(self):
        self.compare(torch.randn(2, 3, 128, 96), training=True)


class Unit(nn.Module):
    """A convolution with bias and ReLU, by the name `conv`."""

    def __init__(self, *sizes, **settings):
        super().__init__()
        self.conv = nn.Conv2d(*sizes, **settings)

    def forward(self, maps):
        return self.conv(maps).relu()


class Block(nn.Module):
    def __init__(self, channels, one, three_reduce, three, five_reduce, five, pool):
        super().__init__()
        self.branch1 = Unit(channels, one, 1)
        self.branch2 = nn.Sequential(Unit(channels, three_reduce, 1),
                                     Unit(three_reduce, three, 3, padding=1))
        self.branch3 = nn.Sequential(Unit(channels, five_reduce, 1),
                                     Unit(five_reduce, five, 5, padding=2))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, 1), Unit(channels, pool, 1))

    def forward(self, maps):
        return torch.cat([self.branch1(maps), self.branch2(maps), self.branch3(maps),
                          self.branch4(maps)], 1)


class PublishedGoogLeNet(nn.Module):
    """Szegedy et al. 2015, table 1, with Caffe's local response normalisation."""

    BLOCKS = {"3a": (192, 64, 96, 128, 16, 32, 32), "3b": (256, 128, 128, 192, 32, 96, 64),
              "4a": (480, 192, 96, 208, 16, 48, 64), "4b": (512, 160, 112, 224, 24, 64, 64),
              "4c": (512, 128, 128, 256, 24, 64, 64), "4d": (512, 112, 144, 288, 32, 64, 64),
              "4e": (528, 256, 160, 320, 32, 128, 128), "5a": (832, 256, 160, 320, 32, 128, 128),
              "5b": (832, 384, 192, 384, 48, 128, 128)}

    def __init__(self):
        super().__init__()
        self.conv1 = Unit(3, 64, 7, stride=2, padding=3)
        self.conv2 = Unit(64, 64, 1)
        self.conv3 = Unit(64, 192, 3, padding=1)
        for name, sizes in self.BLOCKS.items():
            setattr(self, "inception" + name, Block(*sizes))
        self.fc = nn.Linear(1024, CLASSES)

    def forward(self, images):
        pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        norm = nn.LocalResponseNorm(5, 1e-4, 0.75)
        maps = norm(pool(self.conv1(images)))
        maps = norm(self.conv3(self.conv2(maps)))
        for name in self.BLOCKS:
            if name in ("3a", "4a", "5a"):
                maps = pool(maps)
            maps = getattr(self, "inception" + name)(maps)
        return maps


class PublishedGoogLeNetTest(BackboneTest):
    NAME, CLASSES, SETTINGS = "googlenet", CLASSES, "v1: true"

    @classmethod
    def setUpClass(cls):
        torch.manual_seed(2)
        cls.network = PublishedGoogLeNet()
        scatter_weights(cls.network)

    @staticmethod
    def outputs(network, images):
        maps = network(images)
        return {"maps": maps, "logits": network.fc(maps.mean((2, 3)))}

    def test_evaluation(self):
        self.compare(10 * torch.randn(2, 3, 224, 224), training=False)


if __name__ == "__main__":
    unittest.main()
