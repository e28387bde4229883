"""What watches a run beside its validation set: entries of their own, shared like others, and rows that say whose."""

from pathlib import Path

import pandas as pd
import pytest
from torch import Tensor

from mflab.config import RootCfg, compose
from mflab.errors import MflabError
from mflab.model import MVDiffusion
from mflab.results import SET_VIEW, ResponseRecord, Status
from mflab.sweep.planning.baselines import baseline_keys
from mflab.sweep.planning.response import check_response
from mflab.sweep.stages.inputs import open_inputs
from mflab.sweep.stages.keys import step_records
from mflab.sweep.stages.opening import InputCache
from mflab.sweep.stages.route import Route, make_route
from mflab.sweep.stages.trial import run_trial
from mflab.sweep.stages.wanted import SETS
from mflab.train import Validation, Validator
from tests.sweep.conftest import whole

CACHE = InputCache()
WATCHED = ["validation.consistency_scenes=1", "validation.prior_scenes=1", "validation.train_scenes=2"]
BASE = ["base_data.size=16", "base_data.num_val=2"]


def response_of(config: RootCfg, *others: RootCfg, at_rungs: bool = False) -> ResponseRecord:
    cells = [(one, open_inputs(one, CACHE)) for one in (config, *others)]
    return check_response(config, cells, at_rungs)


def route(overrides: list[str]) -> Route:
    config = compose(overrides)
    inputs = open_inputs(config, CACHE)
    return make_route(config, inputs, step_records(config, inputs), "trial")


@pytest.fixture
def based(tiny: list[str], tmp_path: Path) -> list[str]:
    """Overrides of a model that starts from weights, which may forget."""
    config = compose([*tiny, "train.steps=0"])
    run_trial(config, "base", tmp_path, whole(config, tmp_path / "store", CACHE), lambda progress: None, CACHE)
    return [*tiny, *BASE, f"model.weights={tmp_path / 'weights' / 'base.safetensors'}"]


def test_sets_are_judged_at_the_end_and_probes_at_every_validation(based: list[str]) -> None:
    evaluations = route([*based, *WATCHED]).evaluations
    assert [one.step for one in evaluations] == [0, 3, 6]
    assert [[part.kind for part in one.parts] for one in evaluations] == [
        ["prior", "train"],
        ["prior", "train"],
        [SETS, "prior", "train"],
    ]
    names = [name for one in evaluations for name in one.names]
    assert len(set(names)) == len(names)


def test_what_is_watched_leaves_the_names_of_states_and_evaluations_alone(based: list[str]) -> None:
    plain, watched = route(based), route([*based, *WATCHED])
    assert watched.leaf == plain.leaf
    assert [one.name for one in watched.evaluations] == [one.name for one in plain.evaluations]
    assert not any(one.parts for one in plain.evaluations)


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        ("base_data.seed=1", {"prior"}),
        ("validation.prior_scenes=2", {"prior"}),
        ("train.base_style=simple", {"prior"}),
        ("validation.train_scenes=1", {"train"}),
        ("validation.num_scenes=1", set()),
        ("validation.sampling_steps=2", {"prior", "train"}),
        ("base_data.name=others", set()),
    ],
)
def test_a_probe_has_another_name_exactly_if_its_numbers_may_differ(
    based: list[str], change: str, changed: set[str]
) -> None:
    one, other = (route([*based, *WATCHED, *more]).evaluations[0].parts for more in ([], [change]))
    assert {a.kind for a, b in zip(one, other, strict=True) if a.name != b.name} == changed


def test_rows_say_whose_they_are_and_a_second_trial_finds_them(based: list[str], tmp_path: Path) -> None:
    config = compose([*based, *WATCHED])
    work = whole(config, tmp_path / "store", CACHE)
    first = run_trial(config, "first", tmp_path, work, lambda progress: None, CACHE)
    second = run_trial(config, "second", tmp_path, work, lambda progress: None, CACHE)
    assert first.status is second.status is Status.done
    assert (first.steps_run, second.steps_run) == (6, 0)
    assert second.validate_seconds == 0.0
    assert first.responses == second.responses
    rows = pd.read_parquet(tmp_path / "trials" / "first" / "metrics.parquet")
    probed = rows[rows["metric"].str.startswith(("prior/", "train/"))]
    assert {(metric, step) for metric, step in zip(probed["metric"], probed["step"], strict=True)} >= {
        ("prior/psnr_fg", 0),
        ("train/psnr_fg", 3),
        ("prior/ssim", 6),
    }
    assert probed[probed["metric"] == "train/psnr"].groupby("step").size().tolist() == [12, 12, 12]
    judged = rows[rows["view"] == SET_VIEW]
    assert set(judged["step"]) == {6} and "collapse/diversity" in set(judged["metric"])
    assert {"prior/psnr_fg", "train/psnr_fg", "collapse/diversity", "val/psnr_fg"} <= set(first.responses)
    assert "consistency/culprit" not in first.responses


def test_only_what_is_missing_is_made(based: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, watched = compose(based), compose([*based, *WATCHED])
    before = run_trial(plain, "plain", tmp_path, whole(plain, tmp_path / "s", CACHE), lambda progress: None, CACHE)
    asked, validate = [], Validator.validate

    def counted(self: Validator, model: MVDiffusion, prompts: Tensor, step: int, with_sets: bool = False) -> Validation:
        asked.append((len(self.names), step, with_sets))
        return validate(self, model, prompts, step, with_sets)

    monkeypatch.setattr(Validator, "validate", counted)
    after = run_trial(watched, "watched", tmp_path, whole(watched, tmp_path / "s", CACHE), lambda progress: None, CACHE)
    shared = {name: value for name, value in after.responses.items() if name.startswith("val/")}
    assert shared == before.responses
    # One base scene and two training scenes at every validation; the validation set once more, for its sets.
    probed = [(count, step, False) for step in (0, 3, 6) for count in (1, 2)]
    assert sorted(asked) == sorted([*probed, (2, 6, True)])


def test_nothing_can_be_forgotten_where_nothing_was_known_or_fits(tiny: list[str], based: list[str]) -> None:
    for overrides, reason in (
        (tiny, "nothing to forget"),
        ([*based, "base_data.size=32"], "set base_data.size"),
        ([*based, "base_data.rig=even60_el20"], "set base_data.rig"),
        ([*based, "train.base_style=none_such"], "none_such"),
        ([*based, "base_data.kind=folder"], "data.root"),
    ):
        inputs = open_inputs(compose([*overrides, *WATCHED]), CACHE)
        assert reason in inputs.absent_probes["prior"]
        assert "prior" not in inputs.probes and "train" in inputs.probes
    inputs = open_inputs(compose([*based, *WATCHED]), CACHE)
    assert "prior" in inputs.probes and not inputs.absent_probes


def test_mean_image_belongs_to_its_training_scenes_and_the_dataset_does_not(tiny: list[str]) -> None:
    one, other = (
        baseline_keys(config, open_inputs(config, CACHE))
        for config in (
            compose([*tiny, "data.kind=stream"]),
            compose([*tiny, "data.kind=stream", "data.num_train=3"]),
        )
    )
    assert one.dataset == other.dataset
    assert one.mean_image != other.mean_image


@pytest.mark.parametrize(
    ("name", "direction"),
    [("consistency/sc_min", "higher"), ("consistency/ti", "lower"), ("prior/psnr_fg_seen", "higher")],
)
def test_what_is_watched_can_be_the_response(based: list[str], name: str, direction: str) -> None:
    response = [f"sweep.response.name={name}", f"sweep.response.direction={direction}"]
    config = compose([*based, *WATCHED, *response])
    assert response_of(config).name == name
    off = compose([*based, *response])
    with pytest.raises(MflabError, match="Unknown response"):
        response_of(off, config)


def test_sets_are_no_response_where_trials_stop_early(based: list[str]) -> None:
    config = compose([*based, *WATCHED, "sweep.response.name=consistency/pc"])
    with pytest.raises(MflabError, match=r"measured at the end alone; set sweep\.search\.pruner=none"):
        response_of(config, at_rungs=True)


@pytest.mark.parametrize("name", ["consistency/pc_seen", "val/consistency/pc", "consistency/culprit", "prior/none"])
def test_names_that_mean_nothing_are_refused(based: list[str], name: str) -> None:
    config = compose([*based, *WATCHED, f"sweep.response.name={name}"])
    with pytest.raises(MflabError, match="Unknown response"):
        response_of(config)


def test_wrong_direction_is_named(based: list[str]) -> None:
    config = compose([*based, *WATCHED, "sweep.response.name=consistency/et_max"])
    with pytest.raises(MflabError, match=r"consistency/et_max is better when lower, but got direction=higher"):
        response_of(config)


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("consistency/pc", "data.background=gray", "set data.background=white"),
        ("prior/psnr_fg", "base_data.size=32", "set base_data.size"),
    ],
)
def test_a_response_that_no_trial_would_have_is_refused_with_the_reason(
    based: list[str], name: str, change: str, reason: str
) -> None:
    with pytest.raises(MflabError, match=reason):
        response_of(compose([*based, *WATCHED, f"sweep.response.name={name}", change]))
