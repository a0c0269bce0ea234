"""What a training step costs on many GPUs: measured computing, and messages by latency and bandwidth.

A message of B bytes over n ranks costs, with latency L and bandwidth W of a link in one direction,

    ring all-reduce      2 (n - 1) L + 2 (n - 1) / n B / W
    tree all-reduce      2 log2(n) L + 2 B / W
    ring all-gather      (n - 1) L + (n - 1) / n B / W, B the whole; reduce-scatter the same

Over nodes of g GPUs: reduce-scatter in each node, all-reduce of B / g between the nodes by each GPU's own
network link, ring or tree, whichever is faster, all-gather in each node. Gradients travel bucket by bucket,
in order, one at a time, from the moment that backward has made them; what ends after backward is exposed.
Batch statistics and the gathers of the loss block. Contention between the two is left out.
"""
import dataclasses
import math

STOP_BELOW = 0.8  # efficiency


@dataclasses.dataclass(frozen=True)
class Link:
    latency: float    # seconds
    bandwidth: float  # bytes a second, one direction

    def ring(self, ranks, size):
        return 2 * ((ranks - 1) * self.latency + (ranks - 1) / ranks * size / self.bandwidth)

    def tree(self, ranks, size):
        if ranks == 1:
            return 0.0
        return 2 * (math.log2(ranks) * self.latency + size / self.bandwidth)

    def half_ring(self, ranks, size):
        return self.ring(ranks, size) / 2


@dataclasses.dataclass(frozen=True)
class Cluster:
    gpus_per_node: int
    node: Link     # between GPUs of a node
    network: Link  # of each GPU to other nodes

    def nodes(self, ranks):
        return math.ceil(ranks / self.gpus_per_node)

    def all_reduce(self, ranks, size):
        nodes = self.nodes(ranks)
        if nodes == 1:
            return self.node.ring(ranks, size)
        share = size / self.gpus_per_node
        between = min(self.network.ring(nodes, share), self.network.tree(nodes, share))
        return self.node.ring(self.gpus_per_node, size) + between

    def all_gather(self, ranks, size):
        """`size` bytes of all ranks together."""
        nodes = self.nodes(ranks)
        if nodes == 1:
            return self.node.half_ring(ranks, size)
        between = self.network.half_ring(nodes, size / self.gpus_per_node)
        return between + self.node.half_ring(self.gpus_per_node, size)

    def without_latency(self):
        return dataclasses.replace(self, node=Link(0, self.node.bandwidth),
                                   network=Link(0, self.network.bandwidth))


@dataclasses.dataclass(frozen=True)
class Work:
    """Of one GPU: seconds for `clips` clips."""

    clips: float
    forward: float
    backward: float
    optimizer: float
    fixed: float = 0.0            # of forward and backward, whatever the number of clips
    buckets: tuple = ()           # bytes, in the order in which they are sent
    ready: tuple = ()             # when, as shares of backward; empty: evenly
    statistics: tuple = ()        # bytes of each layer's message, in forward and again in backward
    signature_bytes: float = 0.0  # of a clip, gathered for the loss and scattered behind it
    clip_bytes: float = 0.0       # read from the store
    overlap: bool = True


def exposed_seconds(cluster, ranks, work, backward):
    """How long after the end of backward the last bucket's sum is there."""
    count = len(work.buckets)
    ready = work.ready or tuple((i + 1) / count for i in range(count))
    end = 0.0
    for size, share in zip(work.buckets, ready):
        start = share * backward if work.overlap else backward
        end = max(end, start) + cluster.all_reduce(ranks, size)
    return max(0.0, end - backward)


def step_on(cluster, ranks, work, clips, storage_bandwidth=0.0):
    """Seconds by part of a step of `clips` clips of all ranks; the rank with most clips decides."""
    most = math.ceil(clips / ranks - 1e-9)
    scale = most / work.clips
    computing = work.forward + work.backward - work.fixed
    share = work.backward / (work.forward + work.backward)
    parts = {"clips_per_rank": clips / ranks, "computing": computing * scale, "fixed": work.fixed,
             "optimizer": work.optimizer}
    blocking = sum(cluster.all_reduce(ranks, size) for size in work.statistics)
    parts["statistics"] = 2 * blocking
    parts["gathers"] = 2 * cluster.all_gather(ranks, work.signature_bytes * clips)
    backward = share * (parts["computing"] + work.fixed) + blocking
    parts["exposed"] = exposed_seconds(cluster, ranks, work, backward)
    parts["exposed_bandwidth"] = exposed_seconds(cluster.without_latency(), ranks, work, backward)
    step = sum(parts[name] for name in ("computing", "fixed", "optimizer", "statistics", "gathers",
                                        "exposed"))
    reading = clips * work.clip_bytes / storage_bandwidth if storage_bandwidth > 0 else 0.0
    parts["data_wait"] = max(0.0, reading - step)
    parts["step"] = step + parts["data_wait"]
    return parts


def why(parts, alone, ranks, clips):
    """Where the time of a step goes that a perfect one of `ranks` would not take; largest first."""
    ideal = alone["step"] * clips / (ranks * alone["clips"])
    ideal_computing = alone["computing"] * clips / (ranks * alone["clips"])
    lost = {"batch too small: a rank has at least one clip, or none":
            parts["computing"] - ideal_computing,
            "batch too small: work that does not shrink with the clips":
            parts["fixed"] + parts["optimizer"] -
            (alone["fixed"] + alone["optimizer"]) * clips / (ranks * alone["clips"]),
            "latency and bandwidth of batch statistics": parts["statistics"],
            "gathers of the loss": parts["gathers"],
            "bandwidth of gradients": parts["exposed_bandwidth"],
            "latency of gradients": parts["exposed"] - parts["exposed_bandwidth"],
            "storage": parts["data_wait"]}
    total = max(parts["step"] - ideal, 1e-30)
    return sorted(((name, seconds / total) for name, seconds in lost.items() if seconds > 0),
                  key=lambda item: -item[1])


def table(cluster, work, counts, global_clips=0, storage_bandwidth=0.0):
    """A row for each number of GPUs: with `global_clips` that batch is shared out, otherwise each
    GPU has `work.clips`. Efficiency is clips per second and GPU by those of one GPU alone."""
    base = global_clips or work.clips
    alone = step_on(cluster, 1, work, base, storage_bandwidth)
    alone["clips"] = base
    rows = []
    for ranks in counts:
        clips = global_clips or work.clips * ranks
        parts = step_on(cluster, ranks, work, clips, storage_bandwidth)
        efficiency = (clips / parts["step"] / ranks) / (base / alone["step"])
        rows.append({"gpus": ranks, "clips": clips, "efficiency": efficiency,
                     "why": why(parts, alone, ranks, clips), **parts})
    return rows


def stops_at(rows):
    """The first row that is not worth its GPUs, or None."""
    return next((row for row in rows if row["efficiency"] < STOP_BELOW), None)
