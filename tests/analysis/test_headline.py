import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.findings import Findings
from analysis.headline import headline
from analysis.headline_factor import MOST_SENTENCES
from analysis.load import Sweep
from analysis.report import write_report
from analysis.verdicts import UNDECIDED
from mflab.design import mde, pairs_needed
from mflab.results import Direction, read_plan

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


STYLES = ("a", "b", "c", "d", "e")


def of_style(findings: Findings) -> list[str]:
    return [sentence for sentence in headline(findings) if sentence.startswith("style: ")]


def test_many_sentences_of_a_factor_become_one_that_counts_them(make_sweep: Callable[..., Path]) -> None:
    findings = Findings(Sweep(make_sweep(styles=STYLES, style=1.0, interaction=0.0)))
    effects = [effect for effect in findings.declared if effect.factor == "style"]
    counts = Counter(effect.verdict_kind for effect in effects)
    best = Counter(effect.verdict_kind for effect in effects if "e" in (effect.level, effect.reference))
    assert len(effects) == counts["distinguishable"] == 10 > MOST_SENTENCES
    (sentence,) = of_style(findings)
    size = next(effect.estimate for effect in effects if (effect.level, effect.reference) == ("e", "a"))
    assert sentence == (
        f"style: e is estimated best (+{size:.2f} dB against a, the reference); of its 4 pairs "
        f"{best['distinguishable']} are distinguishable, of all 10 pairs of levels 10 are distinguishable "
        "(card Effects)."
    )


def test_the_best_level_follows_the_direction_and_may_be_the_reference(make_sweep: Callable[..., Path]) -> None:
    folder = make_sweep(styles=STYLES, style=1.0, interaction=0.0)
    plan = read_plan(folder)
    plan = replace(plan, response=replace(plan.response, direction=Direction.lower))
    (folder / "plan.json").write_text(plan.to_json())
    (sentence,) = of_style(Findings(Sweep(folder)))
    assert sentence.startswith("style: a is estimated best; of its 4 pairs 4 are distinguishable")


def test_distinguishable_but_small_is_not_lost_in_the_sum(make_sweep: Callable[..., Path]) -> None:
    changes = {"styles": STYLES, "style": 0.2, "interaction": 0.0, "noise_sd": 0.005}
    findings = Findings(Sweep(make_sweep(**changes)))
    small = [e for e in findings.declared if e.factor == "style" and abs(e.estimate or 0.0) < 0.5]
    assert {e.verdict_kind for e in small} == {"distinguishable"}
    assert f", {len(small)} of the distinguishable by less than 0.50 dB (card Effects)." in of_style(findings)[0]


def test_few_sentences_stay_and_the_pairs_stay_in_the_table(make_sweep: Callable[..., Path], tmp_path: Path) -> None:
    assert len(of_style(Findings(Sweep(make_sweep("few", styles=STYLES[:3], style=1.0, interaction=0.0))))) == 3
    write_report(make_sweep("many", styles=STYLES, style=1.0, interaction=0.0), tmp_path / "report")
    record = json.loads((tmp_path / "report" / "report.json").read_text())
    text = (tmp_path / "report" / "report.md").read_text()
    own = [e for e in record["effects"] if e["factor"] == "style" and e["family"] == "confirmatory"]
    assert len(own) == 10
    assert all(f"| style: {effect['contrast']} |" in text for effect in own)


def test_equal_needs_of_undecided_pairs_are_one_number(make_sweep: Callable[..., Path]) -> None:
    findings = Findings(Sweep(make_sweep(styles=STYLES[:3])))
    findings.__dict__["effects"] = tuple(
        replace(effect, verdict_kind=UNDECIDED, verdict="undecided: so", sd=1.0, seeds_needed=7)
        for effect in findings.effects
    )
    (sentence,) = of_style(findings)
    assert sentence == (
        "style: 3 of 3 pairs of levels are undecided; 7 seeds would find the smallest effect of interest."
    )


def test_many_interactions_are_one_sentence(make_sweep: Callable[..., Path]) -> None:
    schedules = ("single", "two_stage", "three_stage")
    folder = make_sweep(styles=STYLES, schedules=schedules, interaction=2.0, noise_sd=0.01)
    findings = Findings(Sweep(folder))
    strong = [effect for effect in findings.interactions if effect.verdict_kind == "distinguishable"]
    assert len(strong) == 8 > MOST_SENTENCES
    own = [sentence for sentence in headline(findings) if sentence.startswith("The factors interact")]
    assert len(own) == 1
    assert re.match(r"The factors interact: 8 of 8 contrasts are distinguishable \(card Effects\), most ", own[0])
