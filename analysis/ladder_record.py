"""The record that `python -m mflab.metrics ladder` leaves beside the sweeps."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mflab.errors import MflabError

LADDER_FOLDER, LADDER_FILE = "ladder", "ladder.json"
LADDER_FORMAT = 1
_PARTS = ("summary", "rules", "scenes", "metrics", "perturbations", "criteria", "cells", "sift", "blind_spots")


@dataclass(frozen=True)
class Reaction:
    """How a metric reacts to a perturbation.

    Attributes:
        smallest: lowest strength told from true views of other objects; None if none is.
        auc: area under curve at the highest strength; None where the metric is undefined.
        drop: mean drop at the highest strength, positive for worse; None where the metric is undefined.
        rho: mean rank correlation with the strength; None with a single one.
        smallest_paired: lowest strength told by the drop against true views of the same object.
    """

    smallest: float | None
    auc: float | None
    drop: float | None
    rho: float | None
    smallest_paired: float | None


@dataclass(frozen=True)
class LadderRecord:
    """A ladder as recorded; lists hold the rows of the file."""

    summary: dict[str, Any]
    rules: dict[str, Any]
    scenes: list[dict[str, Any]]
    metrics: list[dict[str, Any]]
    perturbations: list[dict[str, Any]]
    criteria: list[dict[str, Any]]
    reactions: dict[tuple[str, str], Reaction]
    sift: list[dict[str, Any]]
    blind_spots: list[str]

    def of_kind(self, *kinds: str) -> list[dict[str, Any]]:
        """Perturbations of these kinds, in the order of the ladder."""
        return [one for one in self.perturbations if one["kind"] in kinds]


def ladder_path(sweep_folder: Path) -> Path:
    """Where the ladder of a sweep's outputs folder is, whether it was run or not."""
    return sweep_folder.resolve().parent / LADDER_FOLDER / LADDER_FILE


def read_ladder(path: Path) -> LadderRecord:
    """The recorded ladder.

    Raises:
        MflabError: the file cannot be read or is of another format.
    """
    remedy = "run python -m mflab.metrics ladder again"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MflabError(f"A ladder record must be readable JSON, but {path} is not ({error}); {remedy}.") from error
    found = content["format"] if isinstance(content, dict) and "format" in content else None
    if found != LADDER_FORMAT:
        raise MflabError(f"A ladder record must have format {LADDER_FORMAT}, but {path} has {found}; {remedy}.")
    missing = [part for part in _PARTS if part not in content]
    if missing:
        raise MflabError(f"A ladder record must have {', '.join(missing)}, but {path} lacks them; {remedy}.")
    reactions = {(cell["perturbation"], cell["metric"]): _reaction(cell) for cell in content["cells"]}
    parts = {part: content[part] for part in _PARTS if part != "cells"}
    return LadderRecord(reactions=reactions, **parts)


def _reaction(cell: dict[str, Any]) -> Reaction:
    return Reaction(cell["smallest"], cell["auc"][-1], cell["drop"][-1], cell["rho"], cell["smallest_paired"])
