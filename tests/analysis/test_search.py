import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.cards_space import domain
from analysis.findings import Findings
from analysis.headline import headline
from analysis.intervals import t_interval
from analysis.load import Sweep
from analysis.report import write_report
from analysis.search import Suggestion, objectives, pareto_front, ranked, read_importances
from mflab.errors import MflabError
from mflab.results import DesignRecord, Direction, read_plan

STYLES = ("facelift", "mouse_elevated", "realistic")
STOPPED = "suggestion 1 was stopped by asha at step 120 (99.47)"


@pytest.fixture
def make_search(make_sweep: Callable[..., Path]) -> Callable[..., Path]:
    """Six suggestions on two seeds; the second was stopped, the third failed on one seed; one or two objectives."""

    def write(num_objectives: int = 1) -> Path:
        status = {f"single-mouse_elevated-{seed}": "stopped" for seed in (0, 1)} | {"single-realistic-1": "failed"}
        folder = make_sweep(seeds=(0, 1), styles=STYLES, status=status, style=0.3, noise_sd=0.2)
        plan = read_plan(folder)
        cells = list(dict.fromkeys(tuple(trial.cell.items()) for trial in plan.trials))
        trials = tuple(replace(t, run_order=cells.index(tuple(t.cell.items()))) for t in plan.trials)
        further = [{"name": "val/ssim", "direction": "lower"}][: num_objectives - 1]
        search = {
            "sampler": "tpe", "pruner": "asha", "trials": 6, "seed": 0, "startup": 5, "study": "feed", "rungs": [120],
            "objectives": further, "settings": {"curriculum.stages": [{"until": "$schedule"}]},
            "space": {"schedule": {"choices": ["single", "two_stage"]}, "style": {"key": "style", "choices": STYLES}},
        }  # fmt: skip
        plan = replace(plan, factors=(), trials=trials, design=DesignRecord("search", (0, 1)), search=search)
        (folder / "plan.json").write_text(plan.to_json())
        table = pd.read_csv(folder / "trials.csv", dtype=str, keep_default_na=False)
        table.loc[table.status == "stopped", "error"] = STOPPED
        table.drop(columns=["schedule", "style"]).to_csv(folder / "trials.csv", index=False)
        stopped = {"event": "stopped", "error": STOPPED, "steps": 120, "rung_value": 99.468}
        with open(folder / "ledger.jsonl", "a") as ledger:
            ledger.writelines(
                f"{json.dumps({**stopped, 'trial_id': one})}\n" for one in status if status[one] == "stopped"
            )
        return folder

    return write


def test_suggestions_are_what_their_worst_seed_is(make_search: Callable[..., Path]) -> None:
    found = Findings(Sweep(make_search())).suggestions
    assert [one.state for one in found] == ["done", "stopped", "failed", "done", "done", "done"]
    assert found[1].stopped_at == 120
    assert found[1].stopped_value == 99.468
    assert found[1].values == {"schedule": "single", "style": "mouse_elevated"}
    assert found[0].responses["val/psnr_fg"].n == 2
    # One seed of a failed suggestion has a number: half a suggestion is none.
    assert found[1].responses == found[2].responses == {}


def test_stopped_suggestions_are_never_ranked_with_finished_ones(
    make_search: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_search()
    findings = Findings(Sweep(folder))
    assert 1 not in {one.number for one in findings.best_suggestions}
    write_report(folder, tmp_path / "report")
    record = json.loads((tmp_path / "report" / "report.json").read_text())
    assert record["effects"] == record["cells"] == record["curves"] == []
    assert record["search"]["suggestions"][1]["responses"] == {}
    assert not any("99.5" in sentence for sentence in record["headline"])


def test_the_best_is_the_largest_mean_over_seeds(make_search: Callable[..., Path]) -> None:
    folder = make_search()
    table = pd.read_csv(folder / "trials.csv")
    done = table[table.status == "done"].groupby(table.trial_id.str.rsplit("-", n=1).str[0])
    means = done["val/psnr_fg"].mean()[done["val/psnr_fg"].count() == 2]
    best = Findings(Sweep(folder)).best_suggestions[0]
    assert "-".join(best.values.values()) == means.idxmax()
    assert best.responses["val/psnr_fg"].mean == pytest.approx(means.max())


def test_the_report_claims_no_effects_and_says_so(make_search: Callable[..., Path], tmp_path: Path) -> None:
    report = write_report(make_search(), tmp_path / "report")
    assert report.failed_cards == {}
    text = (tmp_path / "report" / "report.md").read_text()
    for title in ("## Answer", "## Effects", "## Any effect at all", "## Arms", "## Learning curves"):
        assert title not in text
    assert "trials of a search are selected by what came before, and early-stopped ones have truncated values" in text
    assert "asha stopped 1 suggestion early: 1 at step 120." in text
    assert "Importances were not computed for this search." in text
    assert "1 of 12 trials not done" in report.page.read_text()
    assert report.sentences[1].startswith("It was chosen as the best of many")


def suggestion(number: int, x: float, y: float) -> Suggestion:
    responses = {"x": t_interval([x]), "y": t_interval([y])}
    return Suggestion(number, {}, (), "done", 1, responses, None, None)


@pytest.mark.parametrize("second", [Direction.higher, Direction.lower])
def test_the_front_is_what_no_other_point_dominates(second: Direction) -> None:
    rng = np.random.default_rng(0)
    sign = 1 if second is Direction.higher else -1
    for _ in range(20):
        points = rng.integers(0, 8, (12, 2)).astype(float)
        front = pareto_front(
            [suggestion(k, x, y) for k, (x, y) in enumerate(points)], {"x": Direction.higher, "y": second}
        )
        signed = points * [1, sign]
        expected = {k for k, own in enumerate(signed) if not any((q >= own).all() and (q > own).any() for q in signed)}
        assert {one.number for one in front} == expected
        values = [one.responses["x"].mean for one in front]
        assert values == sorted(values, reverse=True)


def test_two_objectives_have_a_front(make_search: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_search(num_objectives=2)
    sweep = Sweep(folder)
    assert objectives(sweep) == {"val/psnr_fg": Direction.higher, "val/ssim": Direction.lower}
    report = write_report(folder, tmp_path / "report")
    assert report.failed_cards == {}
    text = (tmp_path / "report" / "report.md").read_text()
    assert "## Pareto front" in text
    record = json.loads((tmp_path / "report" / "report.json").read_text())["search"]
    front = {one["number"] for one in record["suggestions"] if one["on_front"]}
    assert front == {one.number for one in Findings(sweep).front} != set()


def test_ranking_follows_the_direction() -> None:
    points = [suggestion(0, 1.0, 0.0), suggestion(1, 3.0, 0.0), suggestion(2, 2.0, 0.0)]
    assert [one.number for one in ranked(points, "x", Direction.higher)] == [1, 2, 0]
    assert [one.number for one in ranked(points, "x", Direction.lower)] == [0, 2, 1]


def test_importances_are_shown_as_they_were_written(make_search: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_search()
    (folder / "importances.json").write_text(json.dumps({"shares": {"style": 0.25, "schedule": 0.75}, "reason": ""}))
    write_report(folder, tmp_path / "report")
    text = (tmp_path / "report" / "report.md").read_text()
    assert text.index("| schedule | 75 % |") < text.index("| style | 25 % |")
    (folder / "importances.json").write_text(json.dumps({"shares": None, "reason": "fewer than 10 finished trials"}))
    write_report(folder, tmp_path / "report")
    assert "No importances: fewer than 10 finished trials" in (tmp_path / "report" / "report.md").read_text()


@pytest.mark.parametrize("text", ["{", "[]", '{"shares": 3, "reason": ""}', '{"shares": {"a": "x"}, "reason": ""}'])
def test_malformed_importances_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "importances.json").write_text(text)
    with pytest.raises(MflabError, match="must hold shares by parameter and a reason"):
        read_importances(tmp_path)


def test_a_search_without_trials_reports(make_search: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_search()
    (folder / "plan.json").write_text(replace(read_plan(folder), trials=(), stages=(), steps_asked=0).to_json())
    header = (folder / "trials.csv").read_text().splitlines()[0]
    (folder / "trials.csv").write_text(header + "\n")
    report = write_report(folder, tmp_path / "report")
    assert report.sentences == ["No suggestion is finished yet, so there is nothing to show."]
    assert "history" in report.failed_cards


def test_a_range_says_its_scale() -> None:
    assert domain({"low": 1, "high": 9, "step": 2, "type": "int"}) == "1 to 9 in steps of 2"
    assert domain({"levels": {"a": {}, "b": {}}}) == "a, b"


def test_the_head_names_the_trials_of_the_best_suggestion(make_search: Callable[..., Path]) -> None:
    findings = Findings(Sweep(make_search()))
    best = findings.best_suggestions[0]
    first, second = (trial.trial_id for trial in best.trials)
    assert headline(findings)[0].startswith(
        f"Best of 4 finished suggestions: number {best.number}, trials {first} and {second} (schedule "
    )


def test_importances_hide_no_share(make_search: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_search()
    (folder / "importances.json").write_text(json.dumps({"shares": {"style": 0.001, "schedule": 0.999}, "reason": ""}))
    write_report(folder, tmp_path / "report")
    assert "| style | \\< 1 % |" in (tmp_path / "report" / "report.md").read_text()
