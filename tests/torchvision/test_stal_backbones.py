"""ResNet-50 against torchvision's, BN-Inception against the same network stated in torch."""
import unittest

import torch
import torchvision
from torch import nn
from torch.nn import functional

from comparison import BackboneTest, calibrate, scatter_weights

CLASSES = 9


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
        self.fc = nn.Linear(1024, CLASSES)

    def forward(self, images):
        maps = functional.max_pool2d(self.conv1(images), 3, 2, ceil_mode=True)
        maps = self.conv2(self.conv2_reduce(maps))
        maps = functional.max_pool2d(maps, 3, 2, ceil_mode=True)
        for name in ("3a", "3b", "3c", "4a", "4b", "4c", "4d", "4e", "5a", "5b"):
            maps = getattr(self, "inception" + name)(maps)
        return maps


class TrunkTest(BackboneTest):
    CLASSES = CLASSES

    @staticmethod
    def create():
        raise NotImplementedError

    @classmethod
    def setUpClass(cls):
        torch.manual_seed(1)
        cls.network = cls.create()
        scatter_weights(cls.network)
        calibrate(cls.network, torch.randn(8, 3, 128, 96), cls.outputs)

    def evaluation(self):
        self.compare(torch.randn(2, 3, 224, 224), training=False)
        self.compare(torch.randn(2, 3, 96, 32), training=False)

    def training(self):
        self.compare(torch.randn(2, 3, 128, 96), training=True)


class ResNet50Test(TrunkTest):
    NAME = "resnet50"

    @staticmethod
    def create():
        return torchvision.models.resnet50(weights=None, num_classes=CLASSES)

    @staticmethod
    def outputs(network, images):
        kept = []
        with network.layer4.register_forward_hook(lambda *call: kept.append(call[2])):
            logits = network(images)
        return {"maps": kept[0], "features": kept[0].mean((2, 3)), "logits": logits}

    def test_evaluation(self):
        self.evaluation()

    def test_training(self):
        self.training()


class BnInceptionTest(TrunkTest):
    NAME = "bn_inception"

    @staticmethod
    def create():
        return BnInception()

    @staticmethod
    def outputs(network, images):
        maps = network(images)
        return {"maps": maps, "logits": network.fc(maps.mean((2, 3)))}

    def test_evaluation(self):
        self.evaluation()

    def test_training(self):
        self.training()


if __name__ == "__main__":
    unittest.main()
