from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.findings import Findings
from analysis.headline import headline
from analysis.load import Sweep
from mflab.design import mde, pairs_needed

NOTHING = "No factor made a distinguishable difference with this many seeds."


def test_nothing_found_says_what_would_be_needed(make_sweep: Callable[..., Path]) -> None:
    findings = Findings(Sweep(make_sweep(schedule=0.3, interaction=0.0, noise_sd=0.8)))
    sd = max(effect.sd or 0.0 for effect in findings.declared)
    first, second, *_ = headline(findings)
    assert first == NOTHING
    assert second.startswith(f"With 3 seeds an effect of {mde(3) * sd:.2f} dB would have been found with 80 % power")
    assert second.endswith(f"; for 0.50 dB about {pairs_needed(0.5 / sd)} seeds are needed.")


@pytest.mark.parametrize(
    ("smallest", "end"), [(0.5, "enough for the smallest effect of interest, 0.50 dB."), (None, "dB).")]
)
def test_nothing_found_with_enough_seeds_or_no_smallest_effect(
    make_sweep: Callable[..., Path], smallest: float | None, end: str
) -> None:
    changes = {"schedule": 0.0, "interaction": 0.0, "noise_sd": 0.05, "smallest_effect": smallest}
    first, second, *_ = headline(Findings(Sweep(make_sweep(**changes))))
    assert first == NOTHING
    assert second.endswith(end)


def test_power_is_not_told_where_something_was_found_or_nothing_varies(make_sweep: Callable[..., Path]) -> None:
    for folder in (make_sweep("found", interaction=0.0, noise_sd=0.02), make_sweep("same", seed_sd=0.0, noise_sd=0.0)):
        assert not any("power" in sentence for sentence in headline(Findings(Sweep(folder))))
