"""The plan of a sweep (`plan.json`) as typed records, with a strict JSON round trip."""

import dataclasses
import json
from dataclasses import dataclass
from enum import Enum
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from mflab.errors import MflabError
from mflab.results.formats import Direction

PLAN_FORMAT = 1


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
    """A stage of one trial: steps [start, end) under one prompt style."""

    start: int
    end: int
    prompt: str


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
    """A stage of the whole plan; `done` says that it needed no work when the plan was written."""

    trial_id: str
    index: int
    start: int
    end: int
    prompt: str
    done: bool


@dataclass(frozen=True)
class Plan:
    """What a sweep asks and runs.

    Example:
        >>> plan = Plan(sweep="s", question="Does it matter?", created="2026-01-01T00:00:00+00:00",
        ...     response=ResponseRecord("val/psnr_fg", Direction.higher, "dB", 0.5), factors=(),
        ...     design=DesignRecord("full_factorial", (0,)), audit={}, allow_confounded=False, trials=(), stages=(),
        ...     steps_asked=0, steps_to_run=0, estimated_seconds=None, provenance={})
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
    steps_to_run: int
    estimated_seconds: float | None
    provenance: dict[str, Any]
    format: int = PLAN_FORMAT

    def to_json(self) -> str:
        """The plan as JSON text: keys in field order, two spaces of indent, newline at the end."""
        return json.dumps(dataclasses.asdict(self), indent=2, default=_encode, allow_nan=False) + "\n"

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
        return _decode(cls, value, source)


def _encode(value: object) -> str:
    if isinstance(value, Enum):
        return value.name
    raise TypeError(f"a plan holds plain values only, but got {value!r} of type {type(value).__name__}")


def _decode(kind: Any, value: Any, path: str) -> Any:
    """`value` (parsed JSON) as an instance of the annotated type `kind`, recursively."""
    origin, args = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _decode_record(kind, value, path)
    if origin in (Union, UnionType):
        if value is None and type(None) in args:
            return None
        return _decode(next(arg for arg in args if arg is not type(None)), value, path)
    if origin is tuple and isinstance(value, list):
        return tuple(_decode(args[0], item, f"{path}[{index}]") for index, item in enumerate(value))
    if origin is dict and isinstance(value, dict):
        return {key: _decode(args[1], item, f"{path}.{key}") for key, item in value.items()}
    if isinstance(kind, type) and issubclass(kind, Enum) and value in kind.__members__:
        return kind[value]
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(kind, type) and type(value) is kind:
        return value
    name = kind.__name__ if isinstance(kind, type) and origin is None else str(kind)
    raise MflabError(f"{path} must be {name}, but got {value!r}; start the sweep again to rewrite the plan.")


def _decode_record(kind: type, value: Any, path: str) -> Any:
    if not isinstance(value, dict):
        raise MflabError(f"{path} must be an object, but got {value!r}; start the sweep again to rewrite the plan.")
    hints = get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    for problem, keys in (
        ("misses", [n for n in names if n not in value]),
        ("has unknown", [k for k in value if k not in names]),
    ):
        if keys:
            raise MflabError(f"{path} {problem} field {', '.join(keys)}; a {kind.__name__} has {', '.join(names)}.")
    return kind(**{name: _decode(hints[name], value[name], f"{path}.{name}") for name in names})
