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

# Slot 0 of every rig is the input view in validation, whatever the training draws.
INPUT_SLOT = 0
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
    """

    at: list[float] = field(default_factory=lambda: [0.0, 0.25, 0.5, 0.75, 1.0])
    num_scenes: int = 24
    sampling_steps: int = 2
    guidance_scale: float = 1.0
    batch_size: int = 8
    num_images: int = 6
    seed: int = 0
    lpips: str = "alex"


class Validation(NamedTuple):
    """Metric rows of one validation, and the predicted views [S, V, 3, H, W] of its first scenes, in [0, 1]."""

    rows: list[MetricRow]
    images: Float[Tensor, "scene view 3 height width"]


class Validator:
    """The fixed validation set, decoded once.

    Args:
        source: validation scenes.
        cfg: settings.
        background: what transparent pixels show.
        lpips: the perceptual metric, or None where its weights are absent.

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
        self.cfg = cfg
        self.lpips = lpips
        self.background = background
        self.view_names = source.view_names
        scenes = [source[index] for index in range(num_scenes)]
        self.names = [scene.name for scene in scenes]
        colours, alphas = zip(*(composite(scene.rgba, background) for scene in scenes), strict=True)
        self.images: Float[Tensor, "scene view 3 height width"] = torch.stack(colours)
        self.alpha: Float[Tensor, "scene view 1 height width"] = torch.stack(alphas)

    def validate(self, model: MVDiffusion, prompts: Float[Tensor, "view token dim"], step: int) -> Validation:
        """Samples every scene from its input view and compares all views.

        The noise of a scene depends on `cfg.seed` and its position alone: equal across trials, steps and arms.

        Args:
            model: in the state to be judged.
            prompts: prompt embedding of every view.
            step: goes into the rows.

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
        return Validation(self.rows(prediction, step), prediction[: self.cfg.num_images])

    def baselines(self, training: SceneSource | None = None) -> dict[str, list[MetricRow]]:
        """Rows of predictions that need no trained model: the white image, the copied input view and the mean image.

        Args:
            training: scenes whose first 256 give the mean image of each view slot; None leaves that baseline out.

        Raises:
            MflabError: training scenes of other views or another size.
        """
        predictions = {
            "white": white_image(self.images),
            "copy_input": copy_input(self.images, self.images[:, INPUT_SLOT]),
        }
        if training is not None:
            if training.view_names != self.view_names:
                raise MflabError(
                    f"Training scenes must have the validated views, {', '.join(self.view_names)}, but got "
                    f"{', '.join(training.view_names)}; set data.rig."
                )
            scenes = (training[index] for index in range(min(len(training), MEAN_SCENES)))
            predictions["mean_image"] = mean_image(
                self.images, (composite(scene.rgba, self.background)[0] for scene in scenes)
            )
        return {name: self.rows(prediction, 0) for name, prediction in predictions.items()}

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
