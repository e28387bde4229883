"""The network of a trial: a model in training."""

from dataclasses import dataclass

from mflab.config import RootCfg
from mflab.model import MVDiffusion
from mflab.sweep.stages.inputs import TrialInputs
from mflab.sweep.stages.shelf import BuiltModel, ModelShelf
from mflab.train import DiffusionTask, TrainState


@dataclass(frozen=True)
class Network:
    """A model in training.

    Attributes:
        built: the model, and where it came from.
        state: its weights, their average, the optimiser, the step.
        task: what it learns.
    """

    built: BuiltModel
    state: TrainState
    task: DiffusionTask

    @property
    def model(self) -> MVDiffusion:
        return self.built.model


def open_network(config: RootCfg, inputs: TrialInputs, shelf: ModelShelf) -> Network:
    """The untrained network of a trial.

    Args:
        config: the trial's.
        inputs: what it reads.
        shelf: where a model may stand ready.
    """
    built = shelf.take(config, len(inputs.sources.train.view_names))
    prompts = {style: one.tensor.float() for style, one in inputs.prompts.items()}
    task = DiffusionTask(built.model, inputs.loader, prompts, config.train.base_style, config.seed)
    return Network(built, TrainState(built.model.unet, config.optim, built.tensors), task)
