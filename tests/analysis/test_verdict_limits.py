"""The thresholds: every one justified, none unknown or missing."""

import re
from pathlib import Path

import pytest

from analysis.glossary_sets import CASE_WORDS, NUMBER_WORDS
from analysis.run_verdict import CASES
from analysis.verdict_limits import LIMITS_FILE, NUMBERS, VerdictLimits, parse_limits, read_limits
from mflab.errors import MflabError

TEXT = LIMITS_FILE.read_text(encoding="utf-8")


def test_every_threshold_is_justified_in_a_comment() -> None:
    lines = TEXT.splitlines()
    keys = [place for place, line in enumerate(lines) if re.match(r"\w+:", line)]
    assert [lines[place].split(":")[0] for place in keys] == list(VerdictLimits.__dataclass_fields__)
    assert all(lines[place - 1].startswith("# ") for place in keys)


def test_every_number_has_a_limit_and_words() -> None:
    limits = read_limits()
    assert all(isinstance(getattr(limits, name), float) for name in NUMBERS)
    assert tuple(NUMBER_WORDS) == NUMBERS
    assert tuple(CASE_WORDS) == CASES


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("gain: 1.0", "gian: 1.0", "misses gain"),
        ("gain: 1.0", "gain: 1.0\nextra: 2", "has unknown extra"),
        ("gain: 1.0", "gain: 1.0\ngain: 2.0", "the key gain stands there twice"),
        ("gain: 1.0", "gain: much", "gain must be a finite number, but got 'much'"),
        ("gain: 1.0", "gain: true", "gain must be a finite number, but got True"),
        ("gain: 1.0", "gain: .nan", "gain must be a finite number, but got nan"),
        ("gain: 1.0", "gain: [", "must be YAML"),
        ("\nrise: 0.25", "\nrise: -1", "rise must be at least 0, but got -1"),
        ("step_share: 1.0", "step_share: 1.5", r"step_share must be in \]0, 1\], but got 1.5"),
        ("curve_share: 0.25", "curve_share: 1", r"curve_share must be in \]0, 1\[, but got 1"),
        ("needed: [gain,", "needed: [gian,", "needed must list some of gain, "),
    ],
)
def test_a_wrong_file_is_one_clear_error(old: str, new: str, message: str) -> None:
    assert old in TEXT
    with pytest.raises(MflabError, match=message) as caught:
        parse_limits(TEXT.replace(old, new, 1), "verdict.yaml")
    assert "\n" not in str(caught.value)


def test_an_empty_or_missing_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(MflabError, match="must hold the keys step_share, "):
        parse_limits("", "verdict.yaml")
    with pytest.raises(MflabError, match=r"must be readable, but .*; restore verdict.yaml"):
        read_limits(tmp_path / "verdict.yaml")
