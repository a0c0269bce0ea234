"""RRU + STIM (Liu et al. 2019) over torchvision's Inception-v3."""
import torch
import torchvision
from torch import nn

from peers import Case

IDENTITIES = 150


class Refinement(nn.Module):
    """RRU; maps [clips, frames, channels, height, width] -> [clips, channels, frames, height, width]."""

    def __init__(self, side, channels=2048, inner=256):
        super().__init__()
        places = side * side
        self.transition = nn.Conv2d(2 * channels, inner, 1, bias=False)
        self.bn = nn.BatchNorm2d(inner, eps=1e-3)
        self.spatial1 = nn.Linear(places, 2 * places, bias=False)
        self.spatial2 = nn.Linear(2 * places, places, bias=False)
        self.channel = nn.Linear(inner, channels, bias=False)

    def forward(self, maps):
        clips, frames, channels, height, width = maps.shape
        state = earlier = maps[:, 0]
        states = []
        for t in range(frames):
            x = maps[:, t]
            h = torch.relu(self.bn(self.transition(torch.cat([state - x, x - earlier], 1))))
            spatial = self.spatial2(torch.relu(self.spatial1(h.mean(1).flatten(1))))
            channel = self.channel(h.mean((2, 3)))
            gate = torch.sigmoid(spatial.view(clips, 1, height, width) *
                                 channel.view(clips, channels, 1, 1))
            state = (1 - gate) * state + gate * x
            earlier = x
            states.append(state)
        return torch.stack(states, 2)


class Block(Refinement):
    def forward(self, maps):
        return {"refined": super().forward(maps)}


class RruStim(nn.Module):
    def __init__(self, input_size):
        super().__init__()
        self.backbone = torchvision.models.inception_v3(
            weights=None, aux_logits=True, init_weights=False, transform_input=False,
            num_classes=IDENTITIES)
        for unused in ("avgpool", "dropout", "fc"):
            delattr(self.backbone, unused)
        with torch.no_grad():
            side = self.maps_of(torch.zeros(2, 3, input_size, input_size))[1].shape[-1]
        self.refinement = Refinement(side)
        self.stim = nn.ModuleDict({
            "conv1": nn.Conv3d(2048, 256, 1, bias=False), "bn1": nn.BatchNorm3d(256),
            "conv2": nn.Conv3d(256, 256, 3, padding=1, bias=False), "bn2": nn.BatchNorm3d(256)})
        self.classifier = nn.ModuleDict({
            "hidden": nn.Linear(256, 512), "bn": nn.BatchNorm1d(512),
            "output": nn.Linear(512, IDENTITIES)})
        self.dropout = nn.Dropout(0.5)

    def maps_of(self, images):
        maps = images
        for name, module in self.backbone.named_children():
            if name == "AuxLogits":
                continue
            maps = module(maps)
            if name == "Mixed_6e":
                middle = maps
        return middle, maps

    def auxiliary(self, middle):
        head = self.backbone.AuxLogits
        if middle.shape[-1] >= 17:
            return head(middle)
        maps = nn.functional.adaptive_avg_pool2d(middle, 5)  # torchvision's own leaves too little
        return head.fc(head.conv1(head.conv0(maps)).mean((2, 3)))

    def forward(self, clips):
        middle, maps = (maps.view(*clips.shape[:2], *maps.shape[1:])
                        for maps in self.maps_of(clips.flatten(0, 1)))
        refined = maps = self.refinement(maps)
        for index in "12":
            maps = torch.relu(self.stim["bn" + index](self.stim["conv" + index](maps)))
        features = maps.mean((2, 3, 4))
        self.signature = {"features": features, "refined": refined}
        hidden = self.classifier["bn"](self.classifier["hidden"](features))
        hidden = self.dropout(nn.functional.leaky_relu(hidden, 0.1))
        return {"identity": self.classifier["output"](hidden),
                "auxiliary": self.auxiliary(middle.mean(1))}


def muster_weight(name, tensor):
    """muster has matrices where a kernel is 1x1."""
    if name.endswith("transition.weight"):
        return name[:-len(".weight")], tensor.flatten(1)
    if name == "stim.conv1.weight":
        return name, tensor.flatten(1)
    return name, tensor


def muster_layout(outputs):
    """[clips, channels, frames, height, width] -> [frames, clips, places, channels]"""
    return {"refined": outputs["refined"].flatten(3).permute(2, 0, 3, 1)}


def cases(long):
    clips, frames, side = (4, 8, 299) if long else (2, 4, 139)
    block_clips = 20 if long else 4
    return [
        Case("rru_stim", f"{clips} x {frames} frames of {side}x{side}", lambda: RruStim(side),
             lambda: {"clips": torch.randn(clips, frames, 3, side, side)},
             settings=f"rru_stim {{ input_size: {side} }}", identities=IDENTITIES,
             weight=muster_weight),
        Case("RRU", f"{block_clips} x 8 frames, 2048x8x8", lambda: Block(8),
             lambda: {"maps": torch.relu(torch.randn(block_clips, 8, 2048, 8, 8))}, target=1.3,
             block="rru", weight=muster_weight, layout=muster_layout, gradients=True),
    ]
