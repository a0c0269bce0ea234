"""Inception-v3 and its auxiliary classifier against torchvision with the same weights."""
import json
import os
import struct
import subprocess
import unittest

import numpy

from support import MUSTER, TemporaryDirectoryTest, muster

try:
    import torch
    import torchvision
except ImportError:
    torch = None

IDENTITIES, CLIPS, FRAMES = 5, 3, 2
# Nothing but the backbone: features are its pooled maps.
MODEL = "rru_stim { refinement: UNREFINED integration: MEAN_POOLING dropout: 0 input_size: %d }"


def can_forward():
    return subprocess.run([MUSTER, "models", "forward", "--help"],
                          capture_output=True).returncode == 0


def write_safetensors(path, tensors):
    header, blobs, end = {}, [], 0
    for name, tensor in sorted(tensors.items()):
        blob = tensor.detach().contiguous().numpy().astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape),
                        "data_offsets": [end, end + len(blob)]}
        blobs.append(blob)
        end += len(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def read_safetensors(path):
    content = path.read_bytes()
    length, = struct.unpack("<Q", content[:8])
    header = json.loads(content[8:8 + length])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        values = numpy.frombuffer(content[begin:end], "<f4").reshape(entry["shape"])
        tensors[name] = torch.from_numpy(values.copy())
    return tensors


def reference():
    """torchvision's network and the block that classifies its pooled maps, calibrated."""
    torch.manual_seed(1)
    network = torchvision.models.inception_v3(weights=None, aux_logits=True, init_weights=False,
                                              transform_input=False, num_classes=IDENTITIES)
    block = torch.nn.Sequential(torch.nn.Linear(2048, 512), torch.nn.BatchNorm1d(512),
                                torch.nn.LeakyReLU(0.1), torch.nn.Linear(512, IDENTITIES))
    for module in [*network.modules(), *block.modules()]:
        if isinstance(module, (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)):
            torch.nn.init.normal_(module.weight, 1, 0.1)
            torch.nn.init.normal_(module.bias, 0, 0.3)
            module.momentum = 1  # the running statistics become those of the next batch
    network.train()
    block.train()
    with torch.no_grad():
        outputs_of(network, block, torch.randn(4, FRAMES, 3, 299, 299))
    for module in [*network.modules(), *block.modules()]:
        if hasattr(module, "momentum"):
            module.momentum = 0.1
    return network, block


def outputs_of(network, block, clips):
    """As the specification has it: pooled maps, their classes, classes of mean middle maps."""
    kept = {}
    hooks = [getattr(network, name).register_forward_hook(
        lambda module, inputs, output, name=name: kept.__setitem__(name, output))
        for name in ("Mixed_6e", "Mixed_7c")]
    # In training the network calls its own auxiliary classifier too, which must not count.
    auxiliary, network.AuxLogits = network.AuxLogits, None
    try:
        network._forward(clips.flatten(0, 1))
    finally:
        network.AuxLogits = auxiliary
        for hook in hooks:
            hook.remove()
    features = kept["Mixed_7c"].mean((2, 3)).view(*clips.shape[:2], -1).mean(1)
    middle = kept["Mixed_6e"].view(*clips.shape[:2], *kept["Mixed_6e"].shape[1:]).mean(1)
    if middle.shape[2] < 17:  # torchvision's own pool leaves too little
        maps = torch.nn.functional.adaptive_avg_pool2d(middle, 5)
        auxiliary_logits = auxiliary.fc(auxiliary.conv1(auxiliary.conv0(maps)).flatten(1))
    else:
        auxiliary_logits = auxiliary(middle)
    return {"features": features, "identity": block(features), "auxiliary": auxiliary_logits}


def weights_of(network, block):
    weights = {"backbone." + name: value for name, value in network.state_dict().items()
               if not name.startswith("fc.") and not name.endswith("num_batches_tracked")}
    for index, name in [("0", "hidden"), ("1", "bn"), ("3", "output")]:
        for key, value in block[int(index)].state_dict().items():
            if key != "num_batches_tracked":
                weights[f"classifier.{name}.{key}"] = value
    return weights


@unittest.skipIf(torch is None, "needs python3-torchvision")
@unittest.skipUnless(can_forward(), "needs muster models forward")
class InceptionV3Test(TemporaryDirectoryTest):
    @classmethod
    def setUpClass(cls):
        torch.set_num_threads(os.cpu_count())
        cls.network, cls.block = reference()

    def compare(self, size, training):
        network, block = self.network.train(training), self.block.train(training)
        clips = torch.randn(CLIPS, FRAMES, 3, size, size, generator=torch.Generator().manual_seed(2))
        write_safetensors(self.directory / "weights.safetensors", weights_of(network, block))
        write_safetensors(self.directory / "input.safetensors", {"clips": clips})
        with torch.no_grad():
            expected = outputs_of(network, block, clips)
        muster("models", "forward", "--model", MODEL % size, "--identities", IDENTITIES,
               "--weights", self.directory / "weights.safetensors",
               "--input", self.directory / "input.safetensors",
               "--out", self.directory / "output.safetensors",
               *(["--training"] if training else []))
        found = read_safetensors(self.directory / "output.safetensors")
        for name, value in expected.items():
            self.assertEqual(found[name].shape, value.shape, name)
            error = ((found[name] - value).norm() / value.norm()).item()
            self.assertLess(error, 1e-4, name)

    def test_equals_torchvision_when_judging(self):
        self.compare(299, training=False)

    def test_equals_torchvision_in_training(self):
        self.compare(299, training=True)

    def test_equals_torchvision_on_small_and_odd_frames(self):
        for size in (75, 128, 181):
            self.compare(size, training=False)


if __name__ == "__main__":
    unittest.main()
