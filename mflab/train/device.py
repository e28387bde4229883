"""Where tensors live while a model learns."""

from enum import Enum

import torch

from mflab.errors import MflabError


class Device(Enum):
    """cpu: equal settings give equal bits. cuda: one GPU, where reductions may add in another order each time."""

    cpu = "cpu"
    cuda = "cuda"

    @property
    def exactness(self) -> str:
        """`bitwise` where a repeated run gives the same bits, else `statistical`."""
        return "bitwise" if self is Device.cpu else "statistical"


def find_device(device: Device) -> torch.device:
    """The torch device.

    Raises:
        MflabError: there is no such device here.
    """
    if device is Device.cuda and not torch.cuda.is_available():
        raise MflabError("train.device=cuda needs a GPU that torch can use, but there is none; set train.device=cpu.")
    return torch.device(device.value)
