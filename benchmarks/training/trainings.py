"""The six trainings that are compared with DistributedDataParallel: batch, losses and optimiser, as
muster's settings and as one would write them in python3-torch. Losses are the papers'
(experiments/recipes); the classifier of TAM + SRM is not, it is there for both sides."""
import dataclasses
from typing import Callable

import torch
from torch.nn import functional

RATE = 1e-4  # small: nothing is learned from noise


def pairs(clips, rank):
    """Two persons, then one person twice, and so on."""
    return [[0, 1, 2, 2][clip % 4] + 10 * rank + 3 * (clip // 4) for clip in range(clips)]


def triplets(clips, rank):
    return [[0, 0, 1][clip % 3] + 10 * rank + 2 * (clip // 3) for clip in range(clips)]


def couples(clips, rank):
    return [clip // 2 + 10 * rank for clip in range(clips)]


def identity(outputs, labels):
    """Mean over clips, and what lies between clip and class: the sum over the classifiers."""
    total = 0
    for logits in outputs.values():
        rows = logits.flatten(0, -2)
        total = total + functional.cross_entropy(
            rows, labels.repeat_interleave(rows.shape[0] // labels.shape[0]))
    return total


def rooted(squares):
    return squares.clamp(min=1e-12).sqrt()


def distances(features):
    """[..., clips, features] -> [..., clips, clips]"""
    squares = features.square().sum(-1)
    products = features @ features.transpose(-2, -1)
    return rooted(squares.unsqueeze(-1) + squares.unsqueeze(-2) - 2 * products)


def batch_hard(features, labels, margin):
    """Over all leading axes; every clip needs a negative among these."""
    apart = distances(features)
    same = labels.unsqueeze(1) == labels
    positive = apart.masked_fill(~same, float("-inf")).amax(-1)
    negative = apart.masked_fill(same, float("inf")).amin(-1)
    return (margin + positive - negative).clamp(min=0).mean()


def verification(features, labels, margin=2):
    first, second = features[0::2], features[1::2]
    same = (labels[0::2] == labels[1::2]).float()
    squares = (first - second).square().sum(1)
    return (same * squares + (1 - same) * (margin - rooted(squares)).clamp(min=0)).mean()


def colour_flow_loss(network, inputs, labels):
    outputs = network(inputs["clips"], inputs["flow"])
    return 2 * identity(outputs, labels) + verification(network.signature["features"], labels)


def trl_loss(network, inputs, labels):
    return identity(network(inputs["clips"]), labels)


def tam_srm_loss(network, inputs, labels):
    outputs = network.describe(inputs["clips"])
    features = functional.normalize(network.signature["features"])
    loss = identity(outputs, labels) + batch_hard(features, labels, 0.3)
    apart = distances(features.detach())
    same = labels.unsqueeze(1) == labels
    own = torch.eye(len(labels), dtype=torch.bool)
    positive = apart.masked_fill(~same | own, float("-inf")).argmax(1)
    negative = apart.masked_fill(same, float("inf")).argmin(1)
    maps = network.signature["maps"]
    logits = network.metric(torch.cat([maps, maps]), maps[torch.cat([positive, negative])])
    truth = torch.arange(len(logits)).lt(len(labels)).long()
    return loss + functional.cross_entropy(logits, truth)


def stal_loss(network, inputs, labels):
    outputs = network(inputs["clips"])
    whole, parts, attention = (network.signature[name] for name in ("global", "parts", "attention"))
    shares = attention / attention.sum(1, keepdim=True)

    def of_wholes(left, right):
        return rooted((whole[left::3] - whole[right::3]).square().sum(-1))

    def of_parts(left, right):
        apart = rooted((parts[left::3] - parts[right::3]).square().sum(-1))
        return (shares[left::3] * shares[right::3] * apart).sum(1)

    wholes = (of_wholes(0, 1) - of_wholes(0, 2) + 1.2).clamp(min=0).mean()
    details = (of_parts(0, 1) - of_parts(0, 2) + 0.8).clamp(min=0).mean()
    return identity(outputs, labels) + wholes + 0.3 * details


def rru_stim_loss(network, inputs, labels):
    outputs = network(inputs["clips"])
    rows = network.signature["refined"].mean((2, 4)).permute(2, 0, 1)  # [rows, clips, channels]
    return (identity(outputs, labels) + batch_hard(network.signature["features"], labels, 0.4) +
            batch_hard(rows, labels, 0.4))


def sgd(**settings):
    return lambda parameters, rate: torch.optim.SGD(parameters, lr=rate, momentum=0.9, **settings)


def adam(parameters, rate):
    return torch.optim.Adam(parameters, lr=rate)


@dataclasses.dataclass
class Training:
    loss: str            # proto::Loss
    optimizer: str       # proto::Optimizer, without the rate
    labels: Callable     # (clips, rank) -> int
    peer_loss: Callable  # (network, inputs, labels) -> scalar
    peer_optimizer: Callable
    clips: dict          # of each rank, by size; those that fit and take seconds
    clamp: float = 0     # gradients, element-wise
    target: float = 1.0  # least ratio
    dropout: bool = True
    rate: float = RATE


_COLOUR_FLOW = Training("identity { weight: 2 } verification { margin: 2 }", "sgd { momentum: 0.9 }",
                        pairs, colour_flow_loss, sgd(), {"small": 4, "full": 16}, 5, 1.2)
_DECAY = "sgd { momentum: 0.9 weight_decay: 0.0005 }"
TRAININGS = {
    "cnn_rnn": _COLOUR_FLOW,
    "stsrn": _COLOUR_FLOW,
    "trl": Training("identity { }", "adam { }", couples, trl_loss, adam, {"small": 2, "full": 2}, 5),
    "tam_srm": Training("identity { } video_triplet { margin: 0.3 normalise: true } pair { }", _DECAY,
                        couples, tam_srm_loss, sgd(weight_decay=0.0005), {"small": 4, "full": 8}),
    "stal": Training("identity { } attentive_triplet { }", "sgd { momentum: 0.9 weight_decay: 0.0002 }",
                     triplets, stal_loss, sgd(weight_decay=0.0002), {"small": 3, "full": 3},
                     dropout=False),
    "rru_stim": Training(
        "identity { } video_triplet { margin: 0.4 } part_triplet { margin: 0.4 }",
        "sgd { momentum: 0.9 nesterov: true weight_decay: 0.0005 }", couples, rru_stim_loss,
        sgd(weight_decay=0.0005, nesterov=True), {"small": 4, "full": 4},
        rate=1e-8),  # with PyTorch's first weights its gradient is of 1e3, and so is rounding's
}


def spec_of(name, settings):
    """An experiment for muster; the worker is given its batch and looks at neither data nor sampler."""
    training = TRAININGS[name]
    return (f"data {{ train: \"given\" }} model {{ {settings} }} training {{ loss {{ {training.loss} }} "
            f"optimizer {{ {training.optimizer} learning_rate: {training.rate} "
            f"gradient_clamp: {training.clamp} }} }}\n")
