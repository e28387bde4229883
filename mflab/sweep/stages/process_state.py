"""Everything global in a process that numbers could depend on."""

import random
import resource

import numpy as np
import torch


def prepare_process(threads: int, seed: int) -> None:
    """Puts everything global that numbers could depend on into a known state, whatever ran in this process before."""
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    torch.set_default_dtype(torch.float32)
    torch.set_grad_enabled(True)
    torch.backends.cudnn.benchmark = False
    if torch.accelerator.is_available():
        torch.manual_seed(seed)
    else:
        # `torch.manual_seed` notes for a GPU that may come from where it was called, and never forgets it.
        torch.default_generator.manual_seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  libraries that draw from the global generator
    random.seed(seed)


def peak_memory_gb() -> float:
    """Peak resident memory of this process, 1e9 bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
