"""STAL (Song et al. 2018) over BN-Inception."""
import torch
import torchvision
from torch import nn

from peers import Case

IDENTITIES = 150
PARTS = 6
# x0, y0, x1, y1 in a crop of 64 x 128 pixels.
BOXES = [[23, 4, 43, 24], [20, 24, 46, 70], [6, 24, 33, 70], [33, 24, 59, 70], [33, 71, 59, 124],
         [6, 71, 32, 124]]
# Input channels, then those of the branches; 0: the block halves the map and has none.
BLOCKS = {
    "3a": (192, 64, 64, 64, 64, 96, 32), "3b": (256, 64, 64, 96, 64, 96, 64),
    "3c": (320, 0, 128, 160, 64, 96, 0), "4a": (576, 224, 64, 96, 96, 128, 128),
    "4b": (576, 192, 96, 128, 96, 128, 128), "4c": (576, 160, 128, 160, 128, 160, 96),
    "4d": (576, 96, 128, 192, 160, 192, 96), "4e": (576, 0, 128, 192, 192, 256, 0),
    "5a": (1024, 352, 192, 320, 160, 224, 128), "5b": (1024, 352, 192, 320, 192, 224, 128)}


class Unit(nn.Module):
    def __init__(self, channels_in, channels_out, kernel=1, stride=1, padding=0):
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(channels_out)

    def forward(self, maps):
        return torch.relu(self.bn(self.conv(maps)))


def halving():
    return nn.MaxPool2d(3, 2, ceil_mode=True)


class Block(nn.Module):
    def __init__(self, name):
        super().__init__()
        channels, one, three_reduce, three, double_reduce, double, pool = BLOCKS[name]
        stride = 1 if one else 2
        self.three = nn.Sequential(Unit(channels, three_reduce),
                                   Unit(three_reduce, three, 3, stride, 1))
        self.doubled = nn.Sequential(Unit(channels, double_reduce),
                                     Unit(double_reduce, double, 3, 1, 1),
                                     Unit(double, double, 3, stride, 1))
        if one:
            self.one, self.pool = Unit(channels, one), Unit(channels, pool)
            self.pooled = nn.MaxPool2d(3, 1, 1) if name == "5b" else nn.AvgPool2d(3, 1, 1)
        else:
            self.one, self.pooled = None, halving()

    def forward(self, maps):
        if self.one is None:
            return torch.cat([self.three(maps), self.doubled(maps), self.pooled(maps)], 1)
        return torch.cat([self.one(maps), self.three(maps), self.doubled(maps),
                          self.pool(self.pooled(maps))], 1)


class Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = Unit(3, 64, 7, 2, 3)
        self.conv2_reduce, self.conv2 = Unit(64, 64), Unit(64, 192, 3, 1, 1)
        self.pool = halving()
        for name in BLOCKS:
            setattr(self, "inception" + name, Block(name))

    def blocks(self, maps, *names):
        for name in names:
            maps = getattr(self, "inception" + name)(maps)
        return maps

    def low(self, images):
        maps = self.pool(self.conv1(images))
        return self.blocks(self.pool(self.conv2(self.conv2_reduce(maps))),
                           "3a", "3b", "3c", "4a", "4b")


class ResidualAttention(nn.Sequential):
    """RAN: where a map matters."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(576, 64, 1)
        self.pool = halving()
        self.conv2 = nn.Conv2d(64, 192, 3, padding=1)
        self.deconv = nn.ConvTranspose2d(192, 192, 4, stride=2, padding=1)
        self.conv3 = nn.Conv2d(192, 576, 1)

    def forward(self, maps):
        maps = self.pool(torch.relu(self.conv1(maps)))
        maps = torch.relu(self.deconv(torch.relu(self.conv2(maps))))
        return torch.sigmoid(self.conv3(maps))


class QualityAttention(nn.Module):
    """STAN: what every part of every frame is worth."""

    def __init__(self, input_size):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3)
        self.conv2 = nn.Conv2d(64, 64, 3, padding=1)
        self.conv3 = nn.Conv2d(64, 64, 3, padding=1)
        self.pool1, self.pool2 = halving(), nn.MaxPool2d(7, 7)
        side = input_size // 4 // 7
        self.fc = nn.Linear(64 * side * side, PARTS)

    def forward(self, images):
        maps = self.pool2(self.conv3(self.conv2(self.pool1(self.conv1(images)))))
        return torch.sigmoid(self.fc(maps.flatten(1)))


class Part(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential()
        for name in ("4c", "4d", "4e"):
            self.trunk.add_module("inception" + name, Block(name))
        self.fc = nn.Linear(1024 * 4 * 4, 1024)
        self.classifier = nn.Linear(1024, IDENTITIES)

    def forward(self, maps):
        feature = self.fc(self.trunk(maps).flatten(1))
        return feature, self.classifier(feature)


class Stal(nn.Module):
    def __init__(self, input_size):
        super().__init__()
        self.backbone = Backbone()
        self.ran = ResidualAttention()
        self.classifier = nn.Linear(1024, IDENTITIES)
        self.attention = QualityAttention(input_size)
        for index in range(PARTS):
            setattr(self, f"part{index + 1}", Part())
        scale = torch.tensor([input_size / 64, input_size / 128])
        # Within the last places of the map, where torchvision would pool from beyond it.
        self.boxes = (torch.tensor(BOXES) * scale.repeat(2)).clamp(max=input_size - 16)

    def global_feature(self, low, clips):
        maps = self.backbone.blocks(low, "4c")
        maps = self.backbone.blocks((1 + self.ran(low)) * maps, "4d", "4e", "5a", "5b")
        return maps.mean((2, 3)).view(*clips.shape[:2], -1).mean(1)

    def parts(self, low, clips):
        """Features [clips, frames, parts, 1024] and logits of all frames."""
        features, logits = [], []
        for index in range(PARTS):
            boxes = [self.boxes[index:index + 1]] * low.shape[0]
            maps = torchvision.ops.roi_pool(low, boxes, 8, 1 / 16)
            feature, scores = getattr(self, f"part{index + 1}")(maps)
            features.append(feature)
            logits.append(scores)
        return tuple(torch.stack(values, 1).view(*clips.shape[:2], PARTS, -1)
                     for values in (features, logits))

    def forward(self, clips):
        images = clips.flatten(0, 1)
        low = self.backbone.low(images)
        features, logits = self.parts(low, clips)
        attention = self.attention(images).view(*clips.shape[:2], PARTS)
        attention = attention / attention.sum((1, 2), keepdim=True)
        feature = self.global_feature(low, clips)
        # What a ranking needs.
        self.signature = {
            "global": feature, "attention": attention.mean(1),
            "parts": (attention.unsqueeze(3) * features).sum(1) / attention.sum(1).unsqueeze(2)}
        return {"identity": self.classifier(feature), "parts": logits}


def muster_weight(name, tensor):
    """In torch `double` is a method of modules."""
    return name.replace(".doubled.", ".double."), tensor


def cases(long):
    clips, frames, side = (8, 8, 224) if long else (2, 4, 128)
    return [Case("stal", f"{clips} x {frames} frames of {side}x{side}", lambda: Stal(side),
                 lambda: {"clips": torch.randn(clips, frames, 3, side, side)},
                 settings=f"stal {{ input_size: {side} }}", identities=IDENTITIES,
                 weight=muster_weight)]
