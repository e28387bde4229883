"""Validation on fixed scenes with fixed noise, and the predictions that need no training."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from mflab.data.scenes import SceneSource, composite
from mflab.errors import MflabError
from mflab.metrics import LpipsMetric, copy_input, evaluate_views, mean_image, white_image
from mflab.model import MVDiffusion
from mflab.results import MetricRow
from mflab.train.diffusion import torch_generator
from mflab.train.loop import Diverged
from mflab.train.view_sets import SetJudge, absent_sets

# Slot 0 of every rig is the input view in validation, whatever the training draws.
INPUT_SLOT = 0
# Baseline with the true views as prediction: the ceiling of the measures of sets.
GROUND_TRUTH = "ground_truth"
# Scenes of the mean image: more move it by less than a grey level, and a stream of training scenes has no end.
MEAN_SCENES = 256


@dataclass
class ValidationCfg:
    """Validation.

    Attributes:
        at: shares of the run, in [0, 1], after which to validate; 0 is before training, 1 (the end) must be among them.
        num_scenes: first scenes of the validation data; 0 takes all.
        sampling_steps: DDIM steps.
        guidance_scale: classifier-free guidance; 1 is off.
        batch_size: scenes sampled together.
        num_images: scenes whose predicted views are saved as pictures.
        seed: seed of the sampling noise, the same in every trial.
        lpips: backbone of LPIPS (alex, vgg), or none.
        consistency_scenes: first scenes whose sets of views are judged at the end (consistency, collapse); 0 is off.
        prior_scenes: validation scenes of the base data that watch forgetting at every validation; 0 is off.
        train_scenes: training scenes that watch overfitting at every validation; 0 is off.
    """

    at: list[float] = field(default_factory=lambda: [0.0, 0.25, 0.5, 0.75, 1.0])
    num_scenes: int = 24
    sampling_steps: int = 2
    guidance_scale: float = 1.0
    batch_size: int = 8
    num_images: int = 6
    seed: int = 0
    lpips: str = "alex"
    consistency_scenes: int = 4
    prior_scenes: int = 4
    train_scenes: int = 4


class Validation(NamedTuple):
    """Metric rows of one validation, and the predicted views [S, V, 3, H, W] of its first scenes, in [0, 1].

    `set_rows` are about all views of a scene together; none where they were not asked for or cannot be measured.
    """

    rows: list[MetricRow]
    images: Float[Tensor, "scene view 3 height width"]
    set_rows: list[MetricRow]


class Validator:
    """The fixed validation set, decoded once.

    Args:
        source: validation scenes.
        cfg: settings.
        background: what transparent pixels show.
        lpips: the perceptual metric, or None where its weights are absent.

    Attributes:
        sets: judges sets of views of the first scenes; None where `absent_sets` says why.

    Raises:
        MflabError: more scenes are asked for than there are.
    """

    def __init__(
        self,
        source: SceneSource,
        cfg: ValidationCfg,
        background: float | str,
        lpips: LpipsMetric | None = None,
    ) -> None:
        num_scenes = cfg.num_scenes or len(source)
        if num_scenes > len(source):
            raise MflabError(
                f"num_scenes must be at most the {len(source)} validation scenes, but got num_scenes={num_scenes}; "
                "set validation.num_scenes or data.num_val."
            )
        if cfg.sampling_steps < 1 or cfg.batch_size < 1:
            raise MflabError(
                f"sampling_steps and batch_size must be at least 1, but got {cfg.sampling_steps} and {cfg.batch_size}; "
                "set validation.sampling_steps and validation.batch_size."
            )
        watched = (cfg.consistency_scenes, cfg.prior_scenes, cfg.train_scenes)
        if min(watched) < 0:
            raise MflabError(
                f"consistency_scenes, prior_scenes and train_scenes must be at least 0, but got {watched}; set "
                "validation.consistency_scenes, validation.prior_scenes and validation.train_scenes."
            )
        self.cfg = cfg
        self.lpips = lpips
        self.background = background
        self.view_names = source.view_names
        scenes = [source[index] for index in range(num_scenes)]
        self.names = [scene.name for scene in scenes]
        colours, alphas = zip(*(composite(scene.rgba, background) for scene in scenes), strict=True)
        self.images: Float[Tensor, "scene view 3 height width"] = torch.stack(colours)
        judged = scenes[: cfg.consistency_scenes]
        self.absent_sets = absent_sets(judged, background)
        self.sets: SetJudge | None = None
        if not self.absent_sets:
            self.sets = SetJudge(judged, self.images[: len(judged)], INPUT_SLOT, cfg.seed)
        self.alpha: Float[Tensor, "scene view 1 height width"] = torch.stack(alphas)

    def validate(
        self, model: MVDiffusion, prompts: Float[Tensor, "view token dim"], step: int, with_sets: bool = False
    ) -> Validation:
        """Samples every scene from its input view and compares all views.

        The noise of a scene depends on `cfg.seed` and its position alone: equal across trials, steps and arms.

        Args:
            model: in the state to be judged.
            prompts: prompt embedding of every view.
            step: goes into the rows.
            with_sets: judge sets of views too.

        Raises:
            Diverged: a prediction is not finite.
        """
        model.eval()
        device = model.alphas_cumprod.device
        latent = model.codec.encode(self.images[:1, :1]).shape[2:]
        predictions = []
        for first in range(0, len(self.images), self.cfg.batch_size):
            images = self.images[first : first + self.cfg.batch_size]
            noise = torch.stack(
                [
                    torch.randn(
                        (len(self.view_names), *latent), generator=torch_generator(self.cfg.seed, scene, "validation")
                    )
                    for scene in range(first, first + len(images))
                ]
            )
            predictions.append(
                model.sample(
                    images[:, INPUT_SLOT].to(device),
                    prompts.expand(len(images), *prompts.shape).to(device),
                    noise.to(device),
                    self.cfg.sampling_steps,
                    self.cfg.guidance_scale,
                ).cpu()
            )
        prediction = torch.cat(predictions)
        if not bool(torch.isfinite(prediction).all()):
            raise Diverged(step, "a prediction", float("nan"))
        set_rows = self.set_rows(prediction, step) if with_sets else []
        return Validation(self.rows(prediction, step), prediction[: self.cfg.num_images], set_rows)

    def baselines(self) -> dict[str, list[MetricRow]]:
        """Rows of predictions that need nothing but the validation set: the white image, the copied input view, and
        the true views, which have rows of whole sets alone."""
        predictions = {
            "white": white_image(self.images),
            "copy_input": copy_input(self.images, self.images[:, INPUT_SLOT]),
        }
        rows = {name: [*self.rows(one, 0), *self.set_rows(one, 0)] for name, one in predictions.items()}
        return {**rows, GROUND_TRUTH: self.set_rows(self.images, 0)}

    def mean_image(self, training: SceneSource) -> list[MetricRow]:
        """Rows of the mean image of each view slot over the first 256 training scenes.

        Raises:
            MflabError: training scenes of other views or another size.
        """
        if training.view_names != self.view_names:
            raise MflabError(
                f"Training scenes must have the validated views, {', '.join(self.view_names)}, but got "
                f"{', '.join(training.view_names)}; set data.rig."
            )
        scenes = (training[index] for index in range(min(len(training), MEAN_SCENES)))
        prediction = mean_image(self.images, (composite(scene.rgba, self.background)[0] for scene in scenes))
        return [*self.rows(prediction, 0), *self.set_rows(prediction, 0)]

    def set_rows(self, prediction: Float[Tensor, "scene view 3 height width"], step: int) -> list[MetricRow]:
        """One row per judged set and measure."""
        return self.sets.rows(prediction, step) if self.sets is not None else []

    def rows(self, prediction: Float[Tensor, "scene view 3 height width"], step: int) -> list[MetricRow]:
        """One row per scene, view and metric."""
        values = evaluate_views(prediction, self.images, self.alpha, self.lpips)
        return [
            MetricRow(step, scene, view, slot == INPUT_SLOT, metric, float(table[index, slot]))
            for metric, table in values.items()
            for index, scene in enumerate(self.names)
            for slot, view in enumerate(self.view_names)
        ]


def validation_steps(at: Sequence[float], num_steps: int) -> tuple[int, ...]:
    """Steps after which to validate, ascending; the last is `num_steps`.

    Raises:
        MflabError: a share outside [0, 1], or the end is missing.

    Example:
        >>> validation_steps([0.0, 0.5, 1.0], 201)
        (0, 101, 201)
    """
    if any(not 0.0 <= share <= 1.0 for share in at) or 1.0 not in at:
        raise MflabError(
            f"validation.at must hold shares of the run in [0, 1], 1 among them, but got {list(at)}; set validation.at."
        )
    return tuple(sorted({int(share * num_steps + 0.5) for share in at}))
