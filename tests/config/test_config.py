"""Composition: every shipped config composes, and what no code reads is refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mflab.config import CONF, SWEEPS, RootCfg, compose, fingerprint, plain, treatment
from mflab.errors import MflabError

SWEEP_NAMES = sorted(path.stem for path in SWEEPS.glob("*.yaml"))
GROUPS = [(path.parent.name, path.stem) for path in sorted(CONF.glob("*/*.yaml"))]


@pytest.mark.parametrize("name", SWEEP_NAMES)
def test_every_sweep_composes_and_opens_with_its_question_response_and_smallest_effect(name: str) -> None:
    config = compose([f"+sweep={name}"])
    assert config.sweep.name == name
    assert config.sweep.question.endswith("?")
    opening = " ".join(line for line in (SWEEPS / f"{name}.yaml").read_text().splitlines() if line.startswith("#"))
    assert opening.startswith("# Question: ")
    assert "Response: val/" in opening


@pytest.mark.parametrize(("group", "choice"), GROUPS)
def test_every_group_choice_composes(group: str, choice: str) -> None:
    assert isinstance(compose([f"{group}={choice}"]), RootCfg)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["+sweep=smok"],
            r"^sweep must be one of augmentation_lr, .*, but got smok; write for example \+sweep=smoke\.$",
        ),
        (
            ["curriculum=nope"],
            r"^curriculum must be one of blend, .*, but got nope; write for example curriculum=blend\.$",
        ),
        (
            ["hydra.run.dir=x"],
            r"^Settings of Hydra itself have no effect here, but got hydra\.run\.dir=x; leave that out",
        ),
        (["optim.lr=inf"], r"^optim\.lr must be a finite number, but got inf; set optim\.lr\.$"),
        (["validation.at=[0,nan]"], r"^validation\.at\.1 must be a finite number, but got nan; set"),
        (["--multirun"], r"but got --multirun; write it so, without dashes or spaces\.$"),
        (["optim.lr=[1"], r"but got optim\.lr=\[1; mend its brackets or quotes\.$"),
        (["train.widht=3"], r"A config key must exist, but got train\.widht; choose one of train\.steps, "),
        (["optim.lrr=3"], r"A config key must exist, but got optim\.lrr; choose one of optim\.lr\."),
        (["trian.steps=3"], r"A config key must exist, but got trian\.steps; choose one of train\."),
        (["sweep.factors.x=1"], r"but got sweep\.factors\.x; to add one, write \+sweep\.factors\.x\."),
        (["curriculum.stages.0.promt=a"], r"choose one of curriculum\.stages\.0\.prompt\."),
        (["+train.widht=3"], r"Every config key must be read by code, but train\.widht is not; remove it"),
        (["train.steps=abc"], r"^train\.steps must be a whole number, but got abc; set train\.steps\.$"),
        (["train.steps=1.5"], r"^train\.steps must be a whole number, but got 1\.5; set"),
        (["optim.lr=null"], r"^optim\.lr must be a number, but got null; set optim\.lr\.$"),
        (["optim.lr="], r"^optim\.lr must be a number, but got ''; set"),
        (["train.keep_weights=maybe"], r"^train\.keep_weights must be true or false, but got maybe; set"),
        (["data.kind=nope"], r"^data\.kind must be one of procedural, .*, but got nope; set data\.kind\.$"),
        (["data.rig={a:1}"], r"^data\.rig must be a text, but got \{a:1\}; set"),
        (["sweep.seeds=5"], r"^sweep\.seeds must be a list, but got 5; set"),
        (["sweep.factors=5"], r"^sweep\.factors must be a table, but got 5; set"),
        (["optim=fast"], r"^optim must be a table of lr, .*, but got fast; set optim\.$"),
        (["validation.at=[0,x]"], r"^validation\.at\[1\] must be a number, but got x; set validation\.at\.$"),
        (["curriculum.stages=[{until:x}]"], r"^until in curriculum\.stages must be a number, but got x; set"),
        (
            ["curriculum.stages.0.lr_multiplier_end=x"],
            r"stages\[0\]\.lr_multiplier_end must be a number or null, but got x;",
        ),
        (
            ["~train.steps"],
            r"^A key of the schema must stay, but got ~train\.steps; leave that out, or set train\.steps",
        ),
        (["optim.lr=1,2"], r"but got optim\.lr=1,2; .*\+sweep\.factors\.lr=\{key:optim\.lr,levels:\[1,2\]\}'\.$"),
        (["optim.lr=choice(1,2)"], r"but got optim\.lr=choice\(1,2\); .*\{key:optim\.lr,levels:\[1,2\]\}'\.$"),
        (
            ["train.steps=range(1,5)"],
            r"but got train\.steps=range\(1,5\); .*\{key:train\.steps,levels:\[\.\.\.\]\}'\.$",
        ),
        (["sweep.seeds=0,1"], r"but got sweep\.seeds=0,1; for a list write sweep\.seeds=\[0,1\]\.$"),
        (["train.device.index=0"], r"^train\.device must be one of cpu, cuda, but got 0; set train\.device\.$"),
        (["~optim"], r"^A section must stay, but got ~optim; leave that out, or set keys of optim\.$"),
        (["curriculum=[1]"], r"must be a name, but got curriculum=\[1\]; choose one of blend, "),
        (["+sweep=smoke,late_stage"], r"but got sweep=smoke,late_stage; start one after the other\.$"),
        (["optim.lr"], r"^An override must be key=value in Hydra's grammar, but got optim\.lr; write it so"),
        (["seed=1", "curriculum=3"], r"must be a name, but got curriculum=3; choose one of blend, .*, two_stage\.$"),
        (["+sweep=null"], r"must be a name, but got \+sweep=null; choose one of augmentation_lr, "),
        (["curriculum.stages.0.unitl=3"], r"choose one of curriculum\.stages\.0\.until"),
    ],
)
def test_a_wrong_override_is_one_clear_error(overrides: list[str], message: str) -> None:
    with pytest.raises(MflabError, match=message) as caught:
        compose(overrides)
    assert "\n" not in str(caught.value)


def test_defaults_are_composed_once_and_typed() -> None:
    config = compose(["optim.lr=1e-3", "curriculum=three_stage"])
    assert config.optim.lr == 1e-3
    assert [stage.prompt for stage in config.curriculum.stages] == ["facelift", "facelift_elevated", "target"]
    assert compose(["optim.lr=1e-3", "curriculum=three_stage"]) == config


def test_paths_labels_and_the_sweep_do_not_change_the_treatment() -> None:
    config = compose([])
    other = compose(["paths.outputs=elsewhere", "sweep.name=x", "curriculum.name=y", "data.cache_mb=1", "model.name=z"])
    assert treatment(config) == treatment(other)


@pytest.mark.parametrize(
    "override", ["seed=1", "optim.lr=2e-3", "prompts.style=simple", "data.num_train=7", "train.threads=2"]
)
def test_what_changes_a_result_changes_the_treatment(override: str) -> None:
    assert fingerprint(treatment(compose([]))) != fingerprint(treatment(compose([override])))


def test_base_data_counts_only_where_a_stage_draws_from_it() -> None:
    without = [compose([f"base_data.seed={seed}"]) for seed in (0, 1)]
    assert treatment(without[0]) == treatment(without[1])
    drawing = [compose([f"base_data.seed={seed}", "curriculum.stages.0.base_fraction=0.1"]) for seed in (0, 1)]
    assert treatment(drawing[0]) != treatment(drawing[1])


def test_plain_values_are_json_and_composition_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = compose(["+sweep=smoke"])
    assert fingerprint(plain(config)) == fingerprint(plain(replace(config)))
    assert json.loads(json.dumps(plain(config))) == plain(config)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("overrides", [[], ["+sweep=late_stage"], ["+sweep=search_lr_schedule"]])
def test_a_fingerprint_reads_dataclasses_and_enums_as_plain_values(overrides: list[str]) -> None:
    config = compose(overrides)
    assert fingerprint([config, treatment(config)]) == fingerprint([plain(config), plain(treatment(config))])


def test_a_fingerprint_refuses_what_is_no_plain_value() -> None:
    with pytest.raises(TypeError, match="plain values only"):
        fingerprint({"path": Path("x")})
