from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import statsmodels.formula.api as smf
from statsmodels.stats.anova import anova_lm

from analysis.load import Sweep
from analysis.omnibus import omnibus_test
from mflab.errors import MflabError


def test_omnibus_equals_the_comparison_of_two_models(make_sweep: Callable[..., Path]) -> None:
    folder = make_sweep()
    test = omnibus_test(Sweep(folder))
    data = pd.read_csv(folder / "trials.csv").rename(columns={"val/psnr_fg": "y"})
    table = anova_lm(smf.ols("y ~ C(seed)", data).fit(), smf.ols("y ~ C(seed) + schedule * style", data).fit())
    assert test.f == pytest.approx(table["F"].iloc[1])
    assert test.p_value == pytest.approx(table["Pr(>F)"].iloc[1])
    assert test.df == (3, 6)
    assert test.has_interactions
    assert [term.name for term in test.terms] == ["schedule", "style", "schedule × style"]


def test_one_seed_tests_main_effects_against_the_interaction(make_sweep: Callable[..., Path]) -> None:
    test = omnibus_test(Sweep(make_sweep(seeds=(0,))))
    assert not test.has_interactions
    assert test.df == (2, 1)


def test_too_few_trials_are_refused(make_sweep: Callable[..., Path]) -> None:
    status = {f"{schedule}-mouse_elevated-0": "failed" for schedule in ("single", "two_stage")}
    with pytest.raises(MflabError, match="more done trials than parameters"):
        omnibus_test(Sweep(make_sweep(seeds=(0,), status=status)))


def test_an_arm_whose_seeds_give_the_same_number_is_refused(make_sweep: Callable[..., Path]) -> None:
    folder = make_sweep()
    table = pd.read_csv(folder / "trials.csv")
    table.loc[(table["schedule"] == "single") & (table["style"] == "facelift"), "val/psnr_fg"] = 9.7
    table.to_csv(folder / "trials.csv", index=False)
    with pytest.raises(MflabError, match="all 3 seeds of single · facelift give the same val/psnr_fg"):
        omnibus_test(Sweep(folder))
