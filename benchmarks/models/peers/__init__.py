"""muster's networks and recurrent blocks as one would write them in python3-torch.

Every module here has `cases(long)`, a list of Case. To add a network: a file here; to add a block, also a
source in ../blocks/.
"""
import dataclasses
from typing import Callable


@dataclasses.dataclass
class Case:
    name: str                # of the table's row
    size: str                # for people
    make: Callable           # () -> the peer, a torch.nn.Module: inputs by name -> outputs by name
    inputs: Callable         # () -> tensors by name, first axis clips
    target: float = 1.0      # least ratio
    block: str = ""          # muster's block; "": a network by `settings`
    settings: str = ""       # proto::Model
    identities: int = 0
    # The peer's weight (name, tensor) as muster has it.
    weight: Callable = lambda name, tensor: (name, tensor)
    # The peer's outputs in muster's layout.
    layout: Callable = lambda outputs: outputs
    gradients: bool = False  # compared too; not where dropout draws
