"""A task small enough to train in milliseconds."""

from pathlib import Path

import torch

from mflab.curriculum import Curriculum, CurriculumCfg, StageCfg, Trainable, Transition
from mflab.data.loader import Loader
from mflab.data.sources import DataCfg, Sources, open_sources
from mflab.model import ModelCfg, MVDiffusion, make_model
from mflab.model.mvdiffusion import UNetCfg
from mflab.prompts import PromptsCfg, make_embeddings
from mflab.train import DiffusionTask, OptimCfg, TrainState


def open_tiny_sources(folder: Path) -> Sources:
    return open_sources(DataCfg(size=16, num_train=6, num_val=3), folder)


def small_model(seed: int = 0) -> MVDiffusion:
    unet = UNetCfg(widths=[8, 8], attention=[False, True], num_heads=[1, 2])
    return make_model(ModelCfg(unet=unet, weights="none"), 16, 6, torch.Generator().manual_seed(seed))


def small_task(sources: Sources, seed: int = 0, model: MVDiffusion | None = None) -> DiffusionTask:
    source = sources.train
    prompts = {
        style: make_embeddings(
            PromptsCfg(), style, source.view_names, source.azimuths_deg, source.elevations_deg
        ).tensor
        for style in ("facelift", "facelift_elevated", "mouse_elevated")
    }
    loader = Loader(source, sources.val, 2, seed, "white")
    return DiffusionTask(model or small_model(), loader, prompts, "facelift", seed)


OPTIM = OptimCfg(lr=1e-2, warmup_steps=2, ema_decay=0.9)

CURRICULUM = Curriculum(
    CurriculumCfg(
        "mixed",
        stages=[
            StageCfg(until=0.25, prompt="facelift", base_fraction=0.5),
            StageCfg(until=0.5, prompt="facelift_elevated", transition=Transition.linear, augmentation="flip"),
            StageCfg(until=0.75, trainable=Trainable.cross_attention, reference="rotated"),
            StageCfg(until=1.0, augmentation="strong", reference="random"),
        ],
    ),
    8,
    "mouse_elevated",
    "none",
    "fixed",
)


def new_state(task: DiffusionTask) -> TrainState:
    return TrainState(task.module, OPTIM)
