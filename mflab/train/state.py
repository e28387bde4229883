"""What a training step starts from and leaves behind."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from mflab.train.optim import MovingAverage, OptimCfg, make_optimiser


@dataclass(frozen=True)
class NetworkTensors:
    """The tensors of a network, which stay where they are in memory.

    Walking through a network for them takes longer than most that is done to small ones: who trains it again and again
    does so once.

    Attributes:
        named: all parameters by name.
        state: parameters and persistent buffers by name, without gradients.
    """

    named: dict[str, nn.Parameter]
    state: dict[str, Tensor]

    @classmethod
    def of(cls, module: nn.Module) -> "NetworkTensors":
        return cls(dict(module.named_parameters()), module.state_dict())

    @property
    def weights(self) -> list[nn.Parameter]:
        """All parameters."""
        return list(self.named.values())


class TrainState:
    """Everything that the next step depends on.

    Args:
        module: the network; its parameters stay where they are in memory, so `module.to(...)` comes before.
        cfg: optimiser settings.
        tensors: of the network, where they are known.

    Attributes:
        named: all parameters of the network by name.
        weights: the same in a list.
    """

    def __init__(self, module: nn.Module, cfg: OptimCfg, tensors: NetworkTensors | None = None) -> None:
        self.step = 0
        self.module = module
        tensors = tensors or NetworkTensors.of(module)
        self.named, self.weights = tensors.named, tensors.weights
        self.optimiser = make_optimiser(cfg, self.weights)
        self.average = MovingAverage(self.named, cfg.ema_decay)
        self._module_state = tensors.state

    def state_dict(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "module": dict(self._module_state),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.step = state["step"]
        self.module.load_state_dict(state["module"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
