"""TRL with ST2N (Dai et al. 2018) over torchvision's GoogLeNet."""
import torch
import torchvision
from torch import nn

from peers import Case

IDENTITIES = 150


def googlenet(stem):
    network = torchvision.models.GoogLeNet(aux_logits=False, transform_input=False,
                                           init_weights=False)
    for unused in ("avgpool", "dropout", "fc", *(() if stem else ("conv1", "conv2", "conv3"))):
        delattr(network, unused)
    return network


def convs(network, images):
    return network.conv3(network.conv2(network.maxpool1(network.conv1(images))))


def until_middle(network, maps):
    maps = network.maxpool3(network.inception3b(network.inception3a(network.maxpool2(maps))))
    for letter in "abcde":
        maps = getattr(network, "inception4" + letter)(maps)
    return maps


def descriptors(network, maps, clips):
    maps = network.inception5b(network.inception5a(network.maxpool4(maps)))
    return maps.mean((2, 3)).view(*clips.shape[:2], -1)


class Unit(nn.Module):
    def __init__(self, channels_in, channels_out):
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 1, bias=False)
        self.bn = nn.BatchNorm2d(channels_out)

    def forward(self, maps):
        return torch.relu(self.bn(self.conv(maps)))


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.unit1, self.unit2 = Unit(832, 512), Unit(512, 512)
        self.recurrent = nn.LSTM(512, 256, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(0.5)
        self.transform = nn.Linear(512, 4)
        with torch.no_grad():
            self.transform.bias.copy_(torch.tensor([1.0, 0, 1, 0]))

    def forward(self, low, middle, clips):
        maps = self.unit2(nn.functional.max_pool2d(self.unit1(middle), 2))
        values = self.recurrent(maps.mean((2, 3)).view(*clips.shape[:2], -1))[0]
        scale_x, shift_x, scale_y, shift_y = self.transform(self.dropout(values)).flatten(0, 1).T
        zero = torch.zeros_like(scale_x)
        theta = torch.stack([torch.stack([scale_x, zero, shift_x], 1),
                             torch.stack([zero, scale_y, shift_y], 1)], 1)
        grid = nn.functional.affine_grid(theta, low.shape, align_corners=True)
        return nn.functional.grid_sample(low, grid, align_corners=True)


class TemporalResidual(nn.Module):
    def __init__(self):
        super().__init__()
        self.generic = nn.LSTM(1024, 512, batch_first=True, bidirectional=True)
        self.specific = nn.LSTM(1024, 512, batch_first=True, bidirectional=True)

    def forward(self, frames):
        steps = self.generic(frames)[0]
        mean = steps.mean(1)
        return (mean + self.specific(mean.unsqueeze(1) - steps)[0].mean(1)) / 2


class Trl(nn.Module):
    def __init__(self):
        super().__init__()
        self.main, self.aligned = googlenet(True), googlenet(False)
        self.transformer = Transformer()
        self.main_temporal, self.aligned_temporal = TemporalResidual(), TemporalResidual()
        self.classifier = nn.Linear(1024, IDENTITIES)
        self.aligned_classifier = nn.Linear(1024, IDENTITIES)

    def forward(self, clips):
        low = convs(self.main, clips.flatten(0, 1))
        middle = until_middle(self.main, low)
        feature = self.main_temporal(descriptors(self.main, middle, clips))
        aligned = until_middle(self.aligned, self.transformer(low, middle, clips))
        aligned_feature = self.aligned_temporal(descriptors(self.aligned, aligned, clips))
        return {"identity": self.classifier(feature),
                "identity_aligned": self.aligned_classifier(aligned_feature)}


def cases(long):
    clips, frames, side = (12, 10, 224) if long else (2, 4, 128)
    return [Case("trl", f"{clips} x {frames} frames of {side}x{side}", Trl,
                 lambda: {"clips": torch.randn(clips, frames, 3, side, side)},
                 settings=f"trl {{ input_size: {side} }}", identities=IDENTITIES)]
