"""TAM + SRM (Zhou et al. 2017) over CaffeNet."""
import torch
from torch import nn

from peers import Case

IDENTITIES = 150
FRAMES = 6


class CaffeNet(nn.Module):
    """With two full layers of 1024 units; pools round up, as Caffe's."""

    def __init__(self, side):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 96, 11, stride=4)
        self.conv2 = nn.Conv2d(96, 256, 5, padding=2, groups=2)
        self.conv3 = nn.Conv2d(256, 384, 3, padding=1)
        self.conv4 = nn.Conv2d(384, 384, 3, padding=1, groups=2)
        self.conv5 = nn.Conv2d(384, 256, 3, padding=1, groups=2)
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.norm = nn.LocalResponseNorm(5)
        self.dropout = nn.Dropout(0.5)
        self.fc6 = nn.Linear(256 * side * side, 1024)
        self.fc7 = nn.Linear(1024, 1024)

    def maps(self, images):
        maps = self.norm(self.pool(torch.relu(self.conv1(images))))
        maps = self.norm(self.pool(torch.relu(self.conv2(maps))))
        maps = torch.relu(self.conv4(torch.relu(self.conv3(maps))))
        return self.pool(torch.relu(self.conv5(maps)))

    def features(self, maps):
        features = self.dropout(torch.relu(self.fc6(maps.flatten(1))))
        return self.dropout(torch.relu(self.fc7(features)))


class TemporalAttention(nn.Module):
    """TAM: e = w tanh(U f + V h + W x + b), x = sum of softmax(e) f, h = LSTM(x)."""

    def __init__(self):
        super().__init__()
        self.frame = nn.Linear(1024, 256)
        self.state = nn.Linear(512, 256, bias=False)
        self.past = nn.Linear(1024, 256, bias=False)
        self.score = nn.Linear(256, 1, bias=False)
        self.recurrent = nn.LSTMCell(1024, 512)

    def forward(self, frames):
        clips, steps, features = frames.shape
        keys = self.frame(frames)
        hidden = cell = frames.new_zeros(clips, 512)
        attended = frames.new_zeros(clips, features)
        outputs = []
        for _ in range(steps):
            query = self.state(hidden) + self.past(attended)
            scores = self.score(torch.tanh(keys + query.unsqueeze(1))).squeeze(2)
            attended = torch.bmm(scores.softmax(1).unsqueeze(1), frames).squeeze(1)
            hidden, cell = self.recurrent(attended, (hidden, cell))
            outputs.append(hidden)
        return torch.stack(outputs).mean(0)


class SpatialRecurrence(nn.Module):
    """SRM; maps of two clips [pairs, frames, channels, height, width] -> scores [pairs, 2]."""

    def __init__(self, side):
        super().__init__()
        self.difference = nn.Conv2d(256, 64, 1)
        self.time, self.horizontal, self.vertical = (
            nn.LSTM(64, 64, batch_first=True, bidirectional=True) for _ in range(3))
        self.context = nn.Linear(6 * 64, 64)
        self.hidden = nn.Linear(FRAMES * side * side * 64, 512)
        self.output = nn.Linear(512, 2)
        self.dropout = nn.Dropout(0.5)

    def sweep(self, lstm, volume, axis):
        """Of [pairs, frames, height, width, channels], every line along `axis` by itself."""
        lines = volume.transpose(axis, 3)
        outputs = lstm(lines.flatten(0, 2))[0]
        return outputs.view(*lines.shape[:4], -1).transpose(axis, 3)

    def forward(self, first, second):
        pairs, frames = first.shape[:2]
        maps = torch.relu(self.difference((first - second).flatten(0, 1)))
        volume = maps.view(pairs, frames, *maps.shape[1:]).permute(0, 1, 3, 4, 2)
        sweeps = torch.cat([self.sweep(self.time, volume, 1),
                            self.sweep(self.horizontal, volume, 3),
                            self.sweep(self.vertical, volume, 2)], 4)
        volume = torch.relu(self.context(sweeps))
        return self.output(self.dropout(torch.relu(self.hidden(volume.flatten(1)))))


class TamSrm(nn.Module):
    """The first half of the clips is compared with the second."""

    def __init__(self, input_size, side):
        super().__init__()
        self.input_size = input_size
        self.backbone = CaffeNet(side)
        self.attention = TemporalAttention()
        self.metric = SpatialRecurrence(side)
        self.classifier = nn.Linear(512, IDENTITIES)

    def describe(self, clips):
        maps = self.backbone.maps(clips.flatten(0, 1))
        features = self.attention(self.backbone.features(maps).view(*clips.shape[:2], -1))
        self.signature = {"features": features,
                          "maps": maps.view(*clips.shape[:2], *maps.shape[1:])}
        return {"identity": self.classifier(features)}

    def forward(self, clips):
        outputs = self.describe(clips)
        return {**outputs, "pairs": self.metric(*self.signature["maps"].chunk(2))}


class AttentionBlock(TemporalAttention):
    def forward(self, frames):
        return {"feature": super().forward(frames)}


class MetricBlock(SpatialRecurrence):
    def forward(self, first, second):
        return {"logits": super().forward(first, second)}


def muster_weight(name, tensor):
    """muster has a matrix where a kernel is 1x1."""
    if name.endswith("difference.weight"):
        return name, tensor.flatten(1)
    return name, tensor


def cases(long):
    clips, size, side = (16, 227, 6) if long else (4, 131, 3)
    pairs, attended = (32, 64) if long else (8, 8)
    return [
        Case("tam_srm", f"{clips} x {FRAMES} frames of {size}x{size}",
             lambda: TamSrm(size, side),
             lambda: {"clips": 60 * torch.randn(clips, FRAMES, 3, size, size)},
             settings=f"tam_srm {{ input_size: {size} }}", identities=IDENTITIES,
             weight=muster_weight),
        Case("TAM", f"{attended} x {FRAMES} frames of 1024", AttentionBlock,
             lambda: {"frames": torch.relu(torch.randn(attended, FRAMES, 1024))}, target=1.3,
             block="tam", gradients=True),
        Case("SRM", f"{pairs} pairs x {FRAMES} frames, 256x6x6", lambda: MetricBlock(6),
             lambda: {name: torch.relu(torch.randn(pairs, FRAMES, 256, 6, 6))
                      for name in ("first", "second")},
             target=1.3, block="srm", weight=muster_weight),
    ]
