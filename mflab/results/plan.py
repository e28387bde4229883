"""The plan of a sweep (`plan.json`) as typed records, with a strict JSON round trip."""

import json
from dataclasses import dataclass, field
from io import TextIOWrapper
from typing import Any, BinaryIO

from mflab.errors import MflabError
from mflab.results.decode import decode
from mflab.results.encode import encode, encode_to
from mflab.results.formats import Direction

PLAN_FORMAT = 2


@dataclass(frozen=True)
class ResponseRecord:
    """The declared response. `smallest_effect` is in `unit`; None when no smallest effect of interest was declared."""

    name: str
    direction: Direction
    unit: str
    smallest_effect: float | None


@dataclass(frozen=True)
class LevelRecord:
    """A level and the config keys it sets."""

    name: str
    overrides: dict[str, Any]


@dataclass(frozen=True)
class FactorRecord:
    """A factor; its first level is the reference of every contrast."""

    name: str
    levels: tuple[LevelRecord, ...]

    @property
    def level_names(self) -> tuple[str, ...]:
        return tuple(level.name for level in self.levels)


@dataclass(frozen=True)
class DesignRecord:
    """How the cells were chosen and which seeds are the blocks."""

    kind: str
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class ViewRecord:
    """A view of the trial's rig: rig azimuth (clockwise from the front) and elevation, degrees."""

    name: str
    azimuth_deg: float
    elevation_deg: float


@dataclass(frozen=True)
class StageSpan:
    """A stage of one trial: steps [start, end) under one prompt style.

    `settings` holds what else its curriculum sets, by the field's name there, as far as it changes training: a stage
    with nothing of the kind has none. It is None in plans of earlier versions, which do not tell.
    """

    start: int
    end: int
    prompt: str
    settings: dict[str, Any] | None = field(default=None, hash=False)


@dataclass(frozen=True)
class TrialRecord:
    """One planned trial; `overrides` with the sweep's name reproduce its config."""

    trial_id: str
    cell: dict[str, str]
    seed: int
    run_order: int
    steps: int
    overrides: tuple[str, ...]
    dataset: str
    views: tuple[ViewRecord, ...]
    stages: tuple[StageSpan, ...]


@dataclass(frozen=True)
class StageRecord:
    """Steps [start, end) that some trials of the plan share: a node of the stage forest.

    Attributes:
        key: name of the state that it ends with, as in the store.
        parent: key of the stage before it; empty where it starts from the initial weights.
        start: first step.
        end: exclusive end.
        prompts: prompt styles along it, in order.
        trials: ids of the trials that pass it.
        done: whether it needed no work when the plan was written.
    """

    key: str
    parent: str
    start: int
    end: int
    prompts: tuple[str, ...]
    trials: tuple[str, ...]
    done: bool


@dataclass(frozen=True)
class Plan:
    """What a sweep asks and runs.

    Attributes:
        sweep: its name.
        question: what it asks.
        created: UTC time in ISO format.
        response: what is compared.
        factors: what is varied.
        design: how.
        audit: what can be told apart.
        allow_confounded: whether it runs all the same.
        trials: every run; a search adds to them as it goes.
        stages: the stage forest of the trials, parents first.
        steps_asked: of all trials, each by itself.
        steps_distinct: of the stage forest: what all trials need together.
        steps_to_run: thereof not in the store when the plan was written.
        estimated_seconds: wall time of what is left; None where nothing was measured yet.
        disk_bytes: of the states that will be kept.
        exactness: `bitwise`, or `statistical` where a repeated run gives other bits (on a GPU).
        search: settings of a search; None for a design.
        race: looks and error rate of a race; None without one.
        provenance: where it comes from.

    Example:
        >>> plan = Plan(sweep="s", question="Does it matter?", created="2026-01-01T00:00:00+00:00",
        ...     response=ResponseRecord("val/psnr_fg", Direction.higher, "dB", 0.5), factors=(),
        ...     design=DesignRecord("full_factorial", (0,)), audit={}, allow_confounded=False, trials=(), stages=(),
        ...     steps_asked=0, steps_distinct=0, steps_to_run=0, estimated_seconds=None, disk_bytes=0,
        ...     exactness="bitwise", search=None, race=None, provenance={})
        >>> Plan.from_json(plan.to_json()) == plan
        True
    """

    sweep: str
    question: str
    created: str
    response: ResponseRecord
    factors: tuple[FactorRecord, ...]
    design: DesignRecord
    audit: dict[str, Any]
    allow_confounded: bool
    trials: tuple[TrialRecord, ...]
    stages: tuple[StageRecord, ...]
    steps_asked: int
    steps_distinct: int
    steps_to_run: int
    estimated_seconds: float | None
    disk_bytes: int
    exactness: str
    search: dict[str, Any] | None
    race: dict[str, Any] | None
    provenance: dict[str, Any]
    format: int = PLAN_FORMAT

    def to_json(self) -> str:
        """The plan as JSON text: keys in field order, a line for every trial and stage; see `encode`."""
        return encode(self)

    def write_json(self, file: BinaryIO) -> None:
        """Writes the text of `to_json` as UTF-8, piece by piece, never held as a whole."""
        text = TextIOWrapper(file, encoding="utf-8", newline="\n")
        encode_to(text.write, self)
        # Flushes the text and leaves the file open, which is the caller's.
        text.detach()

    @classmethod
    def from_json(cls, text: str, source: str = "plan.json") -> "Plan":
        """The plan written by `to_json`.

        Args:
            text: JSON text.
            source: name of the text in error messages, usually its path.

        Raises:
            MflabError: the text is no JSON, has another format number, or a field is missing, unknown or ill-typed.
        """
        try:
            value = json.loads(text)
        except json.JSONDecodeError as error:
            raise MflabError(f"{source} must be JSON, but {error}; start the sweep again to rewrite it.") from error
        found = value["format"] if isinstance(value, dict) and "format" in value else None
        if found != PLAN_FORMAT:
            raise MflabError(
                f"{source} must have format {PLAN_FORMAT}, but got format={found!r}; run the sweep with this version."
            )
        return decode(cls, value, source)
