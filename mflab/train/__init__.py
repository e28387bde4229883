"""Training: one loop, its optimiser, checkpoints, the diffusion task and its validation; no Hydra, no Ray."""

from mflab.train.device import Device, find_device
from mflab.train.diffusion import DiffusionTask, reference_mode, torch_generator
from mflab.train.loop import Diverged, StepRecord, Task, train
from mflab.train.optim import LRSchedule, MovingAverage, OptimCfg, learning_rate
from mflab.train.state import NetworkTensors, TrainState
from mflab.train.validate import Validation, ValidationCfg, Validator, validation_steps
from mflab.train.view_sets import SET_METRICS, SETS_VERSION

__all__ = [
    "SETS_VERSION",
    "SET_METRICS",
    "Device",
    "DiffusionTask",
    "Diverged",
    "LRSchedule",
    "MovingAverage",
    "NetworkTensors",
    "OptimCfg",
    "StepRecord",
    "Task",
    "TrainState",
    "Validation",
    "ValidationCfg",
    "Validator",
    "find_device",
    "learning_rate",
    "reference_mode",
    "torch_generator",
    "train",
    "validation_steps",
]
