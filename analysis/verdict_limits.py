"""The thresholds of a run's verdict: one file, `conf/verdict.yaml`, read strictly."""

from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from mflab.errors import MflabError

LIMITS_FILE = Path(__file__).resolve().parents[1] / "conf" / "verdict.yaml"
# Numbers of a verdict, by name, in the order in which they are shown.
NUMBERS = (
    "gain",
    "gain_ssim",
    "gain_pretrained",
    "view_fall",
    "view_fall_ssim",
    "rise",
    "decline",
    "inconsistent",
    "sc_min_fall",
    "pc_fall",
    "diversity",
    "to_input",
    "elevation_error",
    "forgetting",
    "gap",
)
_SHARES = ("step_share", "curve_share")
# Limits that may be negative: how much worse than the initial weights a run may end.
_SIGNED = ("gain_pretrained",)


@dataclass(frozen=True)
class VerdictLimits:
    """Thresholds of a verdict; `conf/verdict.yaml` says of each what it means and why it is what it is.

    Attributes:
        step_share: share of the run after which it is judged, in ]0, 1].
        curve_share: last part of the curve whose rise counts, as a share of the steps until then, in ]0, 1[.
        view_gain: least gain of a single view over its best trivial baseline.
        needed: numbers without which no run counts as converged.
    """

    step_share: float
    gain: float
    view_gain: float
    gain_ssim: float
    gain_pretrained: float
    view_fall: float
    view_fall_ssim: float
    curve_share: float
    rise: float
    decline: float
    inconsistent: float
    sc_min_fall: float
    pc_fall: float
    diversity: float
    to_input: float
    elevation_error: float
    forgetting: float
    gap: float
    needed: tuple[str, ...]


def parse_limits(text: str, source: str) -> VerdictLimits:
    """The limits in a YAML text.

    Args:
        text: one value per field of `VerdictLimits`.
        source: name of the text in error messages.

    Raises:
        MflabError: no YAML, a key that is missing, unknown or written twice, or a value that is no such threshold.
    """
    try:
        values = yaml.load(text, _StrictLoader)
    except yaml.YAMLError as error:
        raise MflabError(f"{source} must be YAML, but {' '.join(str(error).split())}; mend that line.") from error
    names = [field.name for field in fields(VerdictLimits)]
    if not isinstance(values, dict):
        raise MflabError(f"{source} must hold the keys {', '.join(names)}, but got {values!r}; write one per line.")
    for problem, keys in (
        ("misses", [name for name in names if name not in values]),
        ("has unknown", [str(key) for key in values if key not in names]),
    ):
        if keys:
            raise MflabError(f"{source} must hold each key once, but {problem} {', '.join(keys)}; mend the file.")
    return VerdictLimits(**{name: _checked(name, values[name], source) for name in names})


@cache
def read_limits(path: Path = LIMITS_FILE) -> VerdictLimits:
    """The limits in a file.

    Raises:
        MflabError: it does not exist, or see `parse_limits`.
    """
    try:
        return parse_limits(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise MflabError(f"The limits of a verdict must be readable, but {error}; restore {path.name}.") from error


class _StrictLoader(yaml.SafeLoader):
    """Refuses a key that is written twice; plain YAML keeps the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]  # pyright: ignore[reportUnknownMemberType]
        twice = sorted({str(key) for key in keys if keys.count(key) > 1})
        if twice:
            raise yaml.YAMLError(f"the key {', '.join(twice)} stands there twice")
        return super().construct_mapping(node, deep)


def _checked(name: str, value: Any, source: str) -> Any:
    if name == "needed":
        if not isinstance(value, list) or not all(isinstance(one, str) and one in NUMBERS for one in value):
            raise MflabError(
                f"{source}: needed must list some of {', '.join(NUMBERS)}, but got {value!r}; correct the list."
            )
        return tuple(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < float("inf"):
        raise MflabError(f"{source}: {name} must be a finite number, but got {value!r}; write one.")
    if name in _SHARES and not (0 < value < 1 or (value == 1 and name == "step_share")):
        bracket = "]0, 1]" if name == "step_share" else "]0, 1["
        raise MflabError(f"{source}: {name} must be in {bracket}, but got {value!r}; write a share of the run.")
    if value < 0 and name not in _SIGNED:
        raise MflabError(f"{source}: {name} must be at least 0, but got {value!r}; write its size.")
    return float(value)
