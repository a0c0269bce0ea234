"""CNN-RNN (McLaughlin et al. 2016) and STSRN (Su et al. 2018)."""
import torch
from torch import nn

from peers import Case

IDENTITIES = 150


class ResidualBlock(nn.Module):
    def __init__(self, channels_in, channels_out):
        super().__init__()
        self.main1 = nn.Conv2d(channels_in, channels_out, 5, padding=4)
        self.main2 = nn.Conv2d(channels_out, channels_out, 3, padding=1)
        self.shortcut = nn.Conv2d(channels_in, channels_out, 5, padding=4)

    def forward(self, maps):
        return self.main2(self.main1(maps)) + self.shortcut(maps)


class Network(nn.Module):
    """Three stages over every frame, a recurrence, the mean, a classifier."""

    def __init__(self, stages, features=128):
        super().__init__()
        self.stage_names = list(stages)
        for name, stage in stages.items():
            self.add_module(name, stage)
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(0.6)
        self.features = nn.Linear(2560, features)
        self.hidden_to_hidden = nn.Linear(features, features)
        self.classifier = nn.Linear(features, IDENTITIES)

    def frame_features(self, clips, flow):
        maps = torch.cat([clips, flow], 2).flatten(0, 1)
        for name in self.stage_names:
            maps = torch.tanh(self.pool(getattr(self, name)(maps)))
        return self.features(self.dropout(maps.flatten(1))).view(*clips.shape[:2], -1)

    def forward(self, clips, flow):
        features = self.recurrence(self.frame_features(clips, flow)).mean(1)
        self.signature = {"features": features}
        return {"identity": self.classifier(features)}


class CnnRnn(Network):
    def __init__(self):
        super().__init__({"conv": nn.Conv2d(5, 16, 5, padding=4),
                          "conv2": nn.Conv2d(16, 32, 5, padding=4),
                          "conv3": nn.Conv2d(32, 32, 5, padding=4)})
        self.start = nn.Parameter(torch.randn(128) / 10)

    def recurrence(self, frames):
        output = frames[:, 0] + self.start
        outputs = [output]
        for t in range(1, frames.shape[1]):
            output = frames[:, t] + self.hidden_to_hidden(self.dropout(torch.tanh(output)))
            outputs.append(output)
        return torch.stack(outputs, 1)


def residual_recurrence(frames, input_to_hidden, hidden_to_hidden, dropout):
    """ResRNN: o = (U x + V r + x) / 2, r = dropout(tanh(o))."""
    state = torch.zeros_like(frames[:, 0])
    outputs = []
    for t in range(frames.shape[1]):
        x = frames[:, t]
        output = (input_to_hidden(x) + hidden_to_hidden(state) + x) / 2
        state = dropout(torch.tanh(output))
        outputs.append(output)
    return torch.stack(outputs, 1)


class Stsrn(Network):
    def __init__(self):
        super().__init__({"conv": nn.Conv2d(5, 16, 5, padding=4),
                          "residual1": ResidualBlock(16, 32), "residual2": ResidualBlock(32, 32)})
        self.input_to_hidden = nn.Linear(128, 128)
        self.synergy = nn.Parameter(torch.randn(128) / 10)

    def recurrence(self, frames):
        omega = torch.sigmoid(self.synergy)
        later = (1 - omega) * frames[:, 1:] + omega * frames[:, :-1]
        return residual_recurrence(torch.cat([frames[:, :1], later], 1), self.input_to_hidden,
                                   self.hidden_to_hidden, self.dropout)


class ResidualRecurrence(nn.Module):
    def __init__(self, size=128):
        super().__init__()
        self.input_to_hidden = nn.Linear(size, size)
        self.hidden_to_hidden = nn.Linear(size, size)
        self.dropout = nn.Dropout(0.6)

    def forward(self, frames):
        return {"outputs": residual_recurrence(frames, self.input_to_hidden, self.hidden_to_hidden,
                                               self.dropout)}


def crops(clips, frames):
    return {"clips": torch.randn(clips, frames, 3, 56, 40),
            "flow": torch.randn(clips, frames, 2, 56, 40)}


def cases(long):
    clips = 16 if long else 4
    size = f"{clips} x 16 frames of 56x40"
    recurrences = [(2, 16), (16, 128)] if long else [(2, 16), (16, 64)]
    return [
        Case("cnn_rnn", size, CnnRnn, lambda: crops(clips, 16), settings="cnn_rnn {}",
             identities=IDENTITIES),
        Case("stsrn", size, Stsrn, lambda: crops(clips, 16), settings="stsrn {}",
             identities=IDENTITIES),
        *(Case("ResRNN", f"{count} x {frames} frames of 128", ResidualRecurrence,
               lambda count=count, frames=frames: {"frames": torch.randn(count, frames, 128)},
               target=1.3, block="residual_recurrence") for count, frames in recurrences),
    ]
