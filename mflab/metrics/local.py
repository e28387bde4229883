"""A learned metric from a local folder: DreamSim, MEt3R and their kind, without a dependency of this package.

The folder has `metric.json`, whose keys are the attributes of `LearnedCard`, and one file of weights. It is made once,
where the network's own package is installed:

    program = torch.export.export(network, (x, y), dynamic_shapes=...)   # takes [N, 3, H, W] twice, returns [N]
    torch.export.save(program, folder / "network.pt2")

A network that cannot be exported names a `factory`, package.module:function, which takes the path of the weights and
returns the function. Without the folder, the weights or the package the metric is absent with its reason. Nothing is
downloaded, and no network runs on weights other than those that the card's checksum names.
"""

import hashlib
import importlib
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from mflab.errors import MflabError
from mflab.metrics.checks import check_pair
from mflab.metrics.learned import CHUNK_IMAGES, Absent
from mflab.metrics.table import MetricInfo

CARD = "metric.json"


@dataclass(frozen=True)
class LearnedCard:
    """What `metric.json` says about a learned metric.

    Attributes:
        name: name of the metric with network and version, such as `dreamsim_ensemble_0_2`.
        direction: `higher` or `lower`, whichever is better.
        unit: unit of the value, empty if it has none.
        definition: one sentence: network, weights, region, image size.
        is_symmetric: whether both orders of a pair give the same value.
        min_side: smallest image side in pixels.
        weights: file name of the exported network, or of what the factory reads.
        sha256: of that file, 64 hexadecimal digits.
        factory: package.module:function that makes the network from the weights; empty (or left out) for an exported
            network.
    """

    name: str
    direction: str
    unit: str
    definition: str
    is_symmetric: bool
    min_side: int
    weights: str
    sha256: str
    factory: str


class LearnedMetric:
    """A metric of a local folder.

    Args:
        card: what it is.
        network: takes two batches [N, 3, H, W] in [0, 1] and returns [N].
    """

    def __init__(self, card: LearnedCard, network: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.card = card
        self.network = network

    @property
    def name(self) -> str:
        return self.card.name

    @property
    def info(self) -> MetricInfo:
        return MetricInfo(self.card.direction, self.card.unit, self.card.definition)

    @property
    def is_symmetric(self) -> bool:
        return self.card.is_symmetric

    def __call__(self, pred: Shaped[Tensor, "..."], target: Shaped[Tensor, "..."]) -> Float[Tensor, "*batch"]:
        """Returns the value of each image pair.

        Args:
            pred: images in [0, 1], shape [..., 3, H, W].
            target: images to compare with, same shape.

        Raises:
            MflabError: another range, shape or dtype, NaN, images that are too small, or a network that does not
                return one finite number per pair.
        """
        pred, target = check_pair(pred, target)
        if min(pred.shape[-2:]) < self.card.min_side:
            raise MflabError(
                f"{self.name} needs images of at least {self.card.min_side} px, but got {list(pred.shape[-2:])}; "
                "evaluate at a larger size."
            )
        flat = (images.reshape(-1, *images.shape[-3:]).float().split(CHUNK_IMAGES) for images in (pred, target))
        with torch.no_grad():
            chunks = [(len(x), self.network(x, y)) for x, y in zip(*flat, strict=True)]
        for num_pairs, found in chunks:
            if found.shape != (num_pairs,) or not bool(torch.isfinite(found).all()):
                raise MflabError(
                    f"{self.name} must return one finite number per pair, but got shape {list(found.shape)} for "
                    f"{num_pairs} pairs; export the network with the reduction inside."
                )
        return torch.cat([found for _, found in chunks]).reshape(pred.shape[:-3])


def find_learned(folder: Path) -> LearnedMetric | Absent:
    """Returns the metric that lies in `folder`, or the reason why it cannot be computed here.

    Raises:
        MflabError: a card that is incomplete or wrong, or a network that cannot be loaded.
    """
    if not (folder / CARD).is_file():
        return Absent(f"A learned metric needs {folder / CARD}, but there is no such file; export the network there.")
    card = _read_card(folder / CARD)
    path = folder / card.weights
    if not path.is_file():
        return Absent(f"{card.name} needs its weights at {path}, but there is no such file; copy them there.")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != card.sha256:
        return Absent(
            f"{card.name} needs weights with sha256 {card.sha256}, but {path} has {digest}: truncated or other "
            "weights; copy the right file, or make the card anew."
        )
    if not card.factory:
        return LearnedMetric(card, _load_exported(card, path))
    module, _, function = card.factory.partition(":")
    try:
        make: Callable[[Path], Callable[[Tensor, Tensor], Tensor]] = getattr(importlib.import_module(module), function)
    except ModuleNotFoundError as error:
        return Absent(f"{card.name} needs the package {error.name}, which is not installed; install it.")
    except AttributeError:
        raise MflabError(f"{module} has no function {function!r}; mend factory in {folder / CARD}.") from None
    return LearnedMetric(card, make(path))


def _read_card(path: Path) -> LearnedCard:
    kinds = LearnedCard.__annotations__
    try:
        stored: dict[str, Any] = {"factory": "", **json.loads(path.read_text(encoding="utf-8"))}
    except (OSError, TypeError, ValueError) as error:
        raise MflabError(f"{path} must hold a JSON object, but reading failed: {error}; write the card anew.") from None
    if stored.keys() != kinds.keys():
        raise MflabError(
            f"{path} must hold {', '.join(kinds)} and nothing else, but lacks "
            f"{sorted(kinds.keys() - stored.keys())} and has {sorted(stored.keys() - kinds.keys())} besides."
        )
    for name, kind in kinds.items():
        if type(stored[name]) is not kind:
            raise MflabError(f"{name} in {path} must be {kind.__name__}, but got {stored[name]!r}; mend the card.")
    card = LearnedCard(**stored)
    if card.direction not in ("higher", "lower") or not card.name.isidentifier():
        raise MflabError(
            f"{path} must have direction higher or lower and a name of letters, digits and underscores, but got "
            f"{card.direction!r} and {card.name!r}."
        )
    if Path(card.weights).name != card.weights:
        raise MflabError(f"weights in {path} must be a file beside it, but got {card.weights!r}; give its name alone.")
    return card


def _load_exported(card: LearnedCard, path: Path) -> Callable[[Tensor, Tensor], Tensor]:
    import torch.export  # a second that runs without such metrics need not pay

    reason = "it is no archive"
    if zipfile.is_zipfile(path):
        try:
            return torch.export.load(path).module()
        except (RuntimeError, OSError, ValueError, KeyError) as error:
            reason = str(error)
    raise MflabError(
        f"{card.name} must be a network saved by torch.export, but {path} cannot be loaded: {reason}; export it again "
        f"under torch {torch.__version__}."
    )
