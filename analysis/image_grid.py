"""Grids of the same scenes across arms: input, truth, predictions."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from analysis.load import Sweep
from analysis.palette import HUES, INK, MUTED, figure_style
from mflab.errors import MflabError
from mflab.results import IMAGES_FOLDER, TrialRecord

MAX_SCENES = 3


@dataclass(frozen=True)
class Strip:
    """One row of a grid: views side by side, shape [height, views * width, 3]; `inputs` are slots of seen views."""

    label: str
    pixels: np.ndarray
    inputs: tuple[int, ...]


@dataclass(frozen=True)
class SceneGrid:
    """Rows of one scene under common view names."""

    scene: str
    dataset: str
    views: tuple[str, ...]
    strips: tuple[Strip, ...]


def first_done(sweep: Sweep) -> dict[str, TrialRecord]:
    """Arm -> its first done seed, in the order of the arms."""
    done = set(sweep.done["trial_id"])
    found: dict[str, TrialRecord] = {}
    for trial in sorted(sweep.plan.trials, key=lambda trial: trial.seed):
        if trial.trial_id in done:
            found.setdefault(sweep.label_of(trial.cell), trial)
    return {arm.label: found[arm.label] for arm in sweep.arms if arm.label in found}


def scene_grids(sweep: Sweep, chosen: dict[str, TrialRecord]) -> list[SceneGrid]:
    """Up to three scenes that all chosen trials show, per data set: truth, then a row per trial.

    Args:
        sweep: whose images.
        chosen: label -> done trial.

    Raises:
        MflabError: no images, or an image whose size does not fit its views.
    """
    images = sweep.folder / IMAGES_FOLDER
    grids = []
    for dataset in dict.fromkeys(trial.dataset for trial in chosen.values()):
        own = {label: trial for label, trial in chosen.items() if trial.dataset == dataset}
        truth = {path.stem: path for path in sorted((images / "ground_truth" / dataset).glob("*.png"))}
        shown = [
            scene for scene in truth if all((images / t.trial_id / f"{scene}.png").is_file() for t in own.values())
        ]
        for scene in shown[:MAX_SCENES]:
            grids.append(_grid(sweep, scene, dataset, own, truth[scene]))
    if not grids:
        raise MflabError(
            f"{images} must hold the same scenes for every arm, but has none in common; validate with images."
        )
    return grids


def _grid(sweep: Sweep, scene: str, dataset: str, trials: dict[str, TrialRecord], truth: Path) -> SceneGrid:
    views = tuple(view.name for view in next(iter(trials.values())).views)
    seen = sweep.metrics[(sweep.metrics["scene"] == scene) & sweep.metrics["seen"]]
    inputs = {
        label: tuple(
            views.index(view) for view in sorted(set(seen[seen["trial_id"] == trial.trial_id]["view"])) if view in views
        )
        for label, trial in trials.items()
    }
    first = next(iter(inputs.values()))
    target = _read(truth, len(views))
    strips = [Strip("ground truth", target, first)]
    if len(first) == 1 and len(set(inputs.values())) == 1:
        width = target.shape[1] // len(views)
        only = np.full_like(target, 255)
        only[:, first[0] * width : (first[0] + 1) * width] = target[:, first[0] * width : (first[0] + 1) * width]
        strips.insert(0, Strip("input", only, first))
    for label, trial in trials.items():
        path = sweep.folder / IMAGES_FOLDER / trial.trial_id / f"{scene}.png"
        strips.append(Strip(f"{label} · seed {trial.seed}", _read(path, len(views)), inputs[label]))
    return SceneGrid(scene, dataset, views, tuple(strips))


def _read(path: Path, num_views: int) -> np.ndarray:
    with Image.open(path) as image:
        if image.mode != "RGB":
            raise MflabError(f"{path} must be an RGB image, but got mode {image.mode}; validate again.")
        pixels = np.asarray(image)
    if pixels.shape[1] % num_views:
        raise MflabError(f"{path} must hold {num_views} views side by side, but is {pixels.shape[1]} pixels wide.")
    return pixels


def grid_figure(grid: SceneGrid) -> Figure:
    """The grid as a figure; the input view is framed. Images keep their own pixels in SVG."""
    label_width, tile = 2.3, 0.95
    rows, columns = len(grid.strips), len(grid.views)
    width, height = label_width + tile * columns, 0.32 + (tile + 0.07) * rows
    with figure_style():
        figure = Figure((width, height))
        for row, strip in enumerate(grid.strips):
            bottom = 1 - (0.32 + (tile + 0.07) * row + tile) / height
            axes = figure.add_axes((label_width / width, bottom, tile * columns / width, tile / height))
            # Coordinates count views, so frames and names need no pixel sizes.
            axes.imshow(strip.pixels, extent=(0, columns, 0, 1), aspect="auto", interpolation="none")
            axes.set_axis_off()
            for slot in strip.inputs:
                axes.add_patch(Rectangle((slot, 0), 1, 1, fill=False, edgecolor=HUES[4], linewidth=2.2, clip_on=False))
            is_reference = strip.label in ("input", "ground truth")
            axes.text(-0.08, 0.5, strip.label.replace(" · ", "\n"), ha="right", va="center", ma="right", fontsize=9,
                      color=MUTED if is_reference else INK)  # fmt: skip
            if row == 0:
                for slot, view in enumerate(grid.views):
                    axes.text(slot + 0.5, 1.06, view, ha="center", va="bottom", fontsize=8.5, color=MUTED)
        return figure
