#!/usr/bin/python3
"""One rank of a training in python3-torch with DistributedDataParallel; against_ddp.py starts it.

    ddp_peer.py NETWORK SIZE RANK FOLDER DROPOUT(yes or no)

Batch norm sees the rank's own clips (SyncBatchNorm is for GPUs alone) and keeps its own buffers, triplets
and pairs are mined among them: all three save the peer messages that muster sends. Rank 0 writes FOLDER/weights in muster's names.
Answers as muster-step-worker does.
"""
import datetime
import importlib
import json
import os
import pathlib
import sys
import time

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", GLOO_SOCKET_IFNAME="lo")
import torch  # noqa: E402
from torch import distributed  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "models"), str(HERE.parents[1] / "tests")]
import safetensors_file  # noqa: E402
from trainings import TRAININGS  # noqa: E402


def case_of(name, long):
    module = "colour_flow" if name in ("stsrn", "cnn_rnn") else name
    return next(case for case in importlib.import_module("peers." + module).cases(long)
                if case.name == name)


class Trained(torch.nn.Module):
    """What DistributedDataParallel wraps: inputs to the loss, so that all parameters get gradients."""

    def __init__(self, network, loss):
        super().__init__()
        self.network, self.loss = network, loss

    def forward(self, inputs, labels):
        return self.loss(self.network, inputs, labels)


class Peer:
    def __init__(self, name, size, rank, folder, dropout):
        self.training = TRAININGS[name]
        case = case_of(name, size == "full")
        torch.manual_seed(1)
        network = case.make().train()
        for module in network.modules():
            if isinstance(module, torch.nn.Dropout) and not dropout:
                module.p = 0
        if rank == 0:
            weights = dict(case.weight(key, value) for key, value in network.state_dict().items()
                           if not key.endswith("num_batches_tracked"))
            safetensors_file.write_tensors(folder / "weights", weights)
        self.module = torch.nn.parallel.DistributedDataParallel(
            Trained(network, self.training.peer_loss), broadcast_buffers=False,
            gradient_as_bucket_view=True)
        self.optimizer = self.training.peer_optimizer(self.module.parameters(), self.training.rate)
        given = {key: torch.from_numpy(value) for key, value in
                 safetensors_file.read_tensors(folder / f"inputs-{rank}").items()}
        self.labels = given.pop("labels").long()
        self.inputs = given

    def step(self, answer):
        begin = time.perf_counter()
        loss = self.module(self.inputs, self.labels)
        forward = time.perf_counter()
        loss.backward()
        if self.training.clamp:
            torch.nn.utils.clip_grad_value_(self.module.parameters(), self.training.clamp)
        backward = time.perf_counter()
        self.optimizer.step()
        self.optimizer.zero_grad()
        answer["loss"].append(loss.item())
        answer["forward"].append(forward - begin)
        answer["backward"].append(backward - forward)
        answer["optimizer"].append(time.perf_counter() - backward)

    def steps(self, count):
        answer = {"loss": [], "forward": [], "backward": [], "optimizer": []}
        distributed.barrier()
        begin = time.perf_counter()
        for _ in range(count):
            self.step(answer)
        answer["seconds"] = time.perf_counter() - begin
        return answer


def main():
    name, size, rank, folder, dropout = sys.argv[1:]
    folder = pathlib.Path(folder)
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", f"file://{folder}/rendezvous", rank=int(rank), world_size=2,
                                   timeout=datetime.timedelta(minutes=30))
    peer = Peer(name, size, int(rank), folder, dropout == "yes")
    with open(folder / f"commands-{rank}") as commands, open(folder / f"answers-{rank}", "w") as answers:
        print("ready", file=answers, flush=True)
        for line in commands:
            print(json.dumps(peer.steps(int(line.split()[1]))), file=answers, flush=True)


if __name__ == "__main__":
    main()
