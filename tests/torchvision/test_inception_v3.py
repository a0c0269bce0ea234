"""Inception-v3 and its auxiliary classifier against torchvision."""
import unittest

import torch
import torchvision

from comparison import BackboneTest, calibrate, scatter_weights

CLASSES = 7


class InceptionV3Test(BackboneTest):
    NAME, CLASSES = "inception_v3", CLASSES

    @classmethod
    def setUpClass(cls):
        torch.manual_seed(1)
        cls.network = torchvision.models.Inception3(num_classes=CLASSES, transform_input=False,
                                                    init_weights=False)
        scatter_weights(cls.network)
        calibrate(cls.network, torch.randn(8, 3, 299, 299), cls.outputs)

    @staticmethod
    def outputs(network, images):
        """The auxiliary classifier also where torchvision leaves it out: in evaluation, and of
        small pictures, whose maps are averaged to 5x5."""
        kept = {}
        hooks = [getattr(network, name).register_forward_hook(
            lambda module, inputs, output, name=name: kept.__setitem__(name, output))
            for name in ("Mixed_6e", "Mixed_7c")]
        auxiliary, network.AuxLogits = network.AuxLogits, None
        try:
            logits, _ = network._forward(images)
        finally:
            network.AuxLogits = auxiliary
            for hook in hooks:
                hook.remove()
        middle = kept["Mixed_6e"]
        if min(middle.shape[2:]) < 17:
            maps = torch.nn.functional.adaptive_avg_pool2d(middle, 5)
            scores = auxiliary.fc(auxiliary.conv1(auxiliary.conv0(maps)).flatten(1))
        else:
            scores = auxiliary(middle)
        return {"maps": kept["Mixed_7c"], "logits": logits, "auxiliary": scores}

    def test_evaluation(self):
        self.compare(torch.randn(2, 3, 299, 299), training=False)

    def test_training(self):
        self.compare(torch.randn(3, 3, 299, 299), training=True)

    def test_small_and_odd_images(self):
        for size in (75, 128, 181):
            self.compare(torch.randn(2, 3, size, size), training=False)


if __name__ == "__main__":
    unittest.main()
