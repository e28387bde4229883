"""Plans: ids name treatments, seeds are blocks, and what cannot be answered or is hidden is refused."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

from mflab.config import compose, treatment
from mflab.design import audit_design, parse_factors, replicate
from mflab.errors import MflabError
from mflab.results import read_plan
from mflab.sweep import command
from mflab.sweep.planning.overrides import check_overrides, format_override, repeat_command
from mflab.sweep.planning.plan import SweepPlan, make_plan
from mflab.sweep.planning.plan_checks import check_audit
from mflab.sweep.stages.opening import InputCache

pytestmark = pytest.mark.usefixtures("composed_once")
CACHE = InputCache()


def plan(overrides: Sequence[str]) -> SweepPlan:
    return make_plan(command.compose(overrides), overrides, [], CACHE)


def ids(overrides: Sequence[str]) -> list[str]:
    return [trial.trial_id for trial in plan(overrides).record.trials]


def test_ids_do_not_depend_on_paths_workers_order_or_names(tiny: list[str], tmp_path: Path):
    other = ["sweep.workers=7", "sweep.order_seed=5", "sweep.name=other", f"paths.outputs={tmp_path / 'elsewhere'}"]
    moved = [text for text in tiny if not text.startswith("paths.data")] + [f"paths.data={tmp_path / 'moved'}"]
    assert ids(tiny) == ids([*moved, *other, "train.checkpoint_every=0", "data.name=rats", "data.cache_mb=1"])


@pytest.mark.parametrize(
    "change", ["optim.lr=3e-3", "train.threads=2", "data.seed=1", "model.unet.layers_per_block=2", "validation.seed=1"]
)
def test_ids_depend_on_what_changes_numbers(tiny: list[str], change: str):
    assert set(ids(tiny)).isdisjoint(ids([*tiny, change]))


def test_id_of_a_trial_does_not_depend_on_the_other_trials(tiny: list[str]):
    assert set(ids(tiny)) < set(ids([*tiny, "sweep.seeds=[0,1]"]))


def test_seeds_are_blocks_in_the_run_order(tiny: list[str]):
    trials = plan([*tiny, "sweep.seeds=[3,1,2]"]).record.trials
    assert [trial.seed for trial in sorted(trials, key=lambda trial: trial.run_order)] == [3, 3, 1, 1, 2, 2]
    assert sorted(trial.run_order for trial in trials) == list(range(6))


def test_recorded_overrides_reproduce_the_config_of_their_trial(tiny: list[str]):
    made = plan([*tiny, "sweep.seeds=[0,1]"])
    for trial in made.record.trials:
        assert treatment(compose(trial.overrides)) == treatment(made.trials[trial.trial_id].config)


def test_plan_counts_steps_and_stages(tiny: list[str]):
    record = plan([*tiny, "curriculum=two_stage"]).record
    # Both styles begin with the same two steps.
    assert (record.steps_asked, record.steps_distinct, record.steps_to_run) == (12, 10, 10)
    assert [(stage.start, stage.end, len(stage.trials)) for stage in record.stages] == [(0, 2, 2), (2, 6, 1), (2, 6, 1)]
    assert record.stages[1].parent == record.stages[0].key
    assert [(s.start, s.end, s.prompt) for s in record.trials[1].stages] == [
        (0, 2, "facelift"),
        (2, 6, "mouse_elevated"),
    ]


def test_two_names_for_one_treatment_are_refused_with_both_names(tiny: list[str]):
    # With the base wording as target, a first stage with the base wording changes nothing.
    schedule = "+sweep.factors.schedule={key:curriculum,levels:[single,two_stage]}"
    with pytest.raises(MflabError, match=r"schedule=single, seed 0.*schedule=two_stage, seed 0.*two names for one"):
        plan([*tiny[:-1], schedule, "prompts.style=facelift"])


@pytest.mark.parametrize("override", ["prompts.style=simple", "seed=3", "++prompts.style=simple", "prompts={style:a}"])
def test_override_of_what_the_sweep_sets_is_refused(tiny: list[str], override: str):
    with pytest.raises(MflabError, match=r"seed=3; set sweep.seeds|prompts.style belongs to factor style"):
        check_overrides([override], {"prompts.style": "factor style"}, "sweep.factors")


@pytest.mark.parametrize(
    ("key", "override", "is_refused"),
    [
        ("curriculum", "curriculum=two_stage", True),
        ("curriculum", "curriculum.unit=steps", True),
        ("curriculum.stages", "curriculum=two_stage", True),
        ("prompts.style", "prompts=clip", False),
        ("data.num_train", "data=mice", False),
        ("optim.lr", "optim.lr_multiplier=2", False),
    ],
)
def test_group_choice_is_refused_only_where_it_sets_the_factor(key: str, override: str, is_refused: bool):
    owners = {key: "factor f"}
    if is_refused:
        with pytest.raises(MflabError, match="belongs to factor f"):
            check_overrides([override], owners, "sweep.factors")
    else:
        check_overrides([override], owners, "sweep.factors")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["sweep.response.name=val/sharpness"], "Unknown response"),
        (["sweep.response.name=val/lpips_alex"], "Unknown response"),
        (["sweep.response.direction=lower"], "better when higher"),
        (["sweep.design=factoral"], "Unknown design"),
        (["sweep.seeds=[]"], "at least one seed"),
        (["sweep.name=a/b"], "plain folder name"),
        (["sweep.workers=-1"], "at least 0"),
        (["train.steps=-1"], "at least 0"),
        (["store.budget_gb=1e-6"], "at least one state"),
        (["train.augmentation=nothing"], "nothing"),
        (["train.reference=any"], "Unknown reference"),
        (["model.unet.widths=[9]"], "divisible"),
        (["validation.num_scenes=9"], "at most the 2"),
        (["curriculum.stages=[{until:0.5}]"], "1.0"),
    ],
)
def test_what_cannot_run_is_refused_before_anything_runs(tiny: list[str], change: list[str], message: str):
    with pytest.raises(MflabError, match=message):
        plan([*tiny, *change])


@pytest.mark.parametrize("level", ["fast", "-1.0"])
def test_a_wrong_level_is_told_with_its_factor(tiny: list[str], level: str):
    """Whether the config cannot hold it or the training cannot use it."""
    factor = f"+sweep.factors.rate={{key:optim.lr,levels:[1e-3,{level}]}}"
    with pytest.raises(
        MflabError, match=r"set optim\.lr\. optim\.lr belongs to factor rate; change its levels in sweep"
    ):
        plan([*tiny, factor])


def test_inestimable_design_stops_unless_allowed():
    factors = parse_factors({"a": {"key": "a", "levels": [1, 2]}, "b": {"key": "b", "levels": [3, 4]}})
    audit = audit_design(factors, replicate([{"a": "1", "b": "3"}, {"a": "2", "b": "4"}], [0, 1]))
    check_audit(audit, allow_confounded=True)
    with pytest.raises(MflabError, match=r"a and b move together.*sweep.allow_confounded=true"):
        check_audit(audit, allow_confounded=False)


@pytest.mark.parametrize("value", ["single", "true", "1", "a b", "it's", 1e-05, 3, True, None, [1, 2], ["a", "b,c"]])
def test_formatted_override_gives_its_value_back(value: object):
    level = {"key": "x", "levels": [value, "other"]}
    text = format_override("+sweep.factors.f.levels", [value, "other"])
    composed = compose(["+sweep.factors.f.key=x", text])
    assert composed.sweep.factors["f"] == level


def test_repeat_command_quotes_for_the_shell():
    command = repeat_command(["prompts.path='a b'", "sweep.dry_run=true"], "0123")
    assert command == """python -m mflab.sweep 'prompts.path='"'"'a b'"'"'' sweep.only=0123"""


def test_dry_run_writes_the_plan_and_runs_nothing(tiny: list[str], folder: Path, sweep, events, capsys):
    assert sweep([*tiny, "sweep.dry_run=true"]) == 0
    record = read_plan(folder)
    assert json.loads((folder / "plan.json").read_text())["steps_asked"] == record.steps_to_run == 12
    assert events() == []
    assert "2 cells x 1 seeds" in capsys.readouterr().out


def test_two_styles_from_one_file_are_refused(
    tiny: list[str], tmp_path: Path, sweep: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "clr_embeds.pt"
    torch.save(torch.randn(6, 4, 16, generator=torch.Generator().manual_seed(0)), path)
    assert sweep([*tiny, "prompts=file", f"prompts.path={path}"]) == 2
    assert "facelift and mouse_elevated have the same numbers" in capsys.readouterr().err


def test_base_scenes_of_other_views_are_refused(
    tiny: list[str], sweep: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = ["base_data.rig=mouse_rig6", "base_data.size=16", "curriculum.stages.0.base_fraction=0.5"]
    assert sweep([*tiny, *overrides]) == 2
    assert "set base_data.rig" in capsys.readouterr().err
