import json
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from omegaconf.errors import ValidationError

from mflab.design.search import Pruner, Sampler, SearchCfg
from mflab.design.space import parse_space
from mflab.errors import MflabError

FULL = {
    "lr": {"key": "optim.lr", "low": 1e-4, "high": 1e-2, "log": True},
    "style": {"key": "prompts.style", "choices": ["facelift", "mouse_elevated"]},
    "schedule": {"key": "curriculum", "choices": ["single", "two_stage"]},
    "switch": {"low": 0.1, "high": 0.6, "step": 0.05, "when": {"schedule": ["two_stage"]}},
    "warmup": {"key": "optim.warmup_steps", "low": 0, "high": 40, "type": "int"},
    "augment": {"levels": {"none": {"train.augmentation": "none"}, "mild": {"train.augmentation": "mild"}}},
}
TEMPLATES = {"curriculum.stages": [{"until": "$switch", "prompt": "facelift"}, {"until": 1.0}]}


@dataclass
class Draws:
    """Uniform draws that note what was asked."""

    rng: np.random.Generator
    asked: list[str] = field(default_factory=list)

    def suggest_float(self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False) -> Any:
        self.asked.append(name)
        if log:
            return float(np.clip(np.exp(self.rng.uniform(math.log(low), math.log(high))), low, high))
        if step is None:
            return float(self.rng.uniform(low, high))
        return float(low + step * self.rng.integers(round((high - low) / step) + 1))

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> Any:
        self.asked.append(name)
        return int(low + step * self.rng.integers((high - low) // step + 1))

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        self.asked.append(name)
        return choices[int(self.rng.integers(len(choices)))]


def test_a_draw_follows_the_file_and_skips_what_does_not_exist() -> None:
    space = parse_space(FULL, TEMPLATES)
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(100):
        suggest = Draws(rng)
        values = space.draw(suggest)
        expected = [name for name in FULL if name != "switch" or values["schedule"] == "two_stage"]
        assert list(values) == suggest.asked == expected
        seen.add("switch" in values)
        got = space.settings_of(values)
        assert set(got) <= set(space.keys)
        assert got["train.augmentation"] == values["augment"]
        assert ("curriculum.stages" in got) == ("switch" in values)
        if "switch" in values:
            assert got["curriculum.stages"] == [{"until": values["switch"], "prompt": "facelift"}, {"until": 1.0}]
    assert seen == {True, False}


def test_settings_come_in_the_order_of_the_file_and_templates_last() -> None:
    space = parse_space(FULL, TEMPLATES)
    values = {"lr": 1e-3, "style": "facelift", "schedule": "two_stage", "switch": 0.2, "warmup": 3, "augment": "mild"}
    assert list(space.settings_of(values)) == [
        "optim.lr",
        "prompts.style",
        "curriculum",
        "optim.warmup_steps",
        "train.augmentation",
        "curriculum.stages",
    ]
    assert space.keys == tuple(space.settings_of(values))


@settings(max_examples=200, deadline=None)
@given(count=st.integers(0, 100), low=st.decimals(-2, 2, places=2), step=st.decimals("0.01", 1, places=3))
def test_a_stepped_value_is_the_decimal_that_it_stands_for(count: int, low: Any, step: Any) -> None:
    space = parse_space(
        {"x": {"key": "k", "low": float(low), "high": float(low + 100 * step), "step": float(step)}}, {}
    )
    noisy = min(max(float(low) + count * float(step), float(low)), float(low + 100 * step))
    assert space.settings_of({"x": noisy}) == {"k": float(low + count * step)}


def test_a_template_keeps_the_type_of_a_whole_value_and_writes_others_as_yaml_does() -> None:
    space = parse_space(
        {"on": {"choices": [True, False]}, "n": {"low": 1, "high": 4, "type": "int"}, "none": {"choices": [None, 1]}},
        {"a": "$on", "b": {"c": ["$n", "run_$n", "$on-$none", "$$5", 7]}, "d": "$none"},
    )
    assert space.settings_of({"on": True, "n": 3, "none": None}) == {
        "a": True,
        "b": {"c": [3, "run_3", "true-null", "$5", 7]},
        "d": None,
    }


def test_conditions_chain_and_tell_true_from_one() -> None:
    space = parse_space(
        {
            "on": {"key": "on", "choices": [True, False]},
            "n": {"key": "n", "low": 1, "high": 3, "type": "int", "when": {"on": True}},
            "x": {"key": "x", "low": 0.0, "high": 1.0, "when": {"n": [2, 3]}},
        },
        {},
    )
    assert space.is_conditional
    assert space.settings_of({"on": False}) == {"on": False}
    assert space.settings_of({"on": True, "n": 1}) == {"on": True, "n": 1}
    assert space.settings_of({"on": True, "n": 2, "x": 0.5}) == {"on": True, "n": 2, "x": 0.5}
    for wrong in ({"on": False, "n": 1}, {"on": True}, {"on": 1, "n": 1}, {"on": True, "n": 1, "x": 0.5}):
        with pytest.raises(MflabError):
            space.settings_of(wrong)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"x": 2.0}, r"must lie in its domain \(0 to 1 in steps of 0\.1\), but got 2\.0"),
        ({"x": 0.15}, "must lie in"),
        ({"x": True}, "must lie in"),
        ({"x": 0.5, "y": 1}, "no parameter y"),
        ({}, "x is missing"),
    ],
)
def test_values_from_elsewhere_are_refused(values: dict, message: str) -> None:
    with pytest.raises(MflabError, match=message):
        parse_space({"x": {"key": "k", "low": 0, "high": 1, "step": 0.1}}, {}).settings_of(values)


@pytest.mark.parametrize(
    ("space", "templates", "message"),
    [
        ({"x": 3}, {}, "must be a mapping"),
        ({"x-y": {"key": "k", "low": 0, "high": 1}}, {}, "must be a word"),
        ({"x": {"key": "k", "low": 0, "high": 1, "max": 2}}, {}, "unknown field max"),
        ({"x": {"key": "k"}}, {}, "one of low and high, choices or levels"),
        ({"x": {"key": "k", "low": 0, "high": 1, "choices": [1]}}, {}, "one of low and high, choices or levels"),
        ({"x": {"key": "k", "low": 0}}, {}, "high is missing"),
        ({"x": {"key": "k", "low": 1, "high": 1}}, {}, "low=1 and high=1"),
        ({"x": {"key": "k", "low": "0", "high": 1}}, {}, "must be a number"),
        ({"x": {"key": "k", "low": 0, "high": math.inf}}, {}, "must be a number"),
        ({"x": {"key": "k", "low": False, "high": 1}}, {}, "must be a number"),
        ({"x": {"key": "k", "low": 0, "high": 1, "log": True}}, {}, "above 0"),
        ({"x": {"key": "k", "low": 0.1, "high": 1, "log": "yes"}}, {}, "true or false"),
        ({"x": {"key": "k", "low": 1, "high": 3, "log": True, "step": 1}}, {}, "drop log or step"),
        ({"x": {"key": "k", "low": 0, "high": 1, "step": 0.3}}, {}, "whole steps"),
        ({"x": {"key": "k", "low": 0, "high": 1, "step": 0}}, {}, "whole steps"),
        ({"x": {"key": "k", "low": 0.5, "high": 3, "type": "int"}}, {}, "must be whole"),
        ({"x": {"key": "k", "low": 0, "high": 3, "type": "integer"}}, {}, "choose one of float, int"),
        ({"x": {"key": "k", "choices": []}}, {}, "list some"),
        ({"x": {"key": "k", "choices": "ab"}}, {}, "list some"),
        ({"x": {"key": "k", "choices": ["a", "a"]}}, {}, "a appears twice"),
        ({"x": {"key": "k", "choices": [1, True]}}, {}, "true appears twice"),
        ({"x": {"key": "k", "choices": [[1], [2]]}}, {}, "with `levels`"),
        ({"x": {"key": "k", "choices": [1, 2], "log": True}}, {}, "also log"),
        ({"x": {"key": "", "choices": [1, 2]}}, {}, "must be a config key"),
        ({"x": {"key": "k", "levels": {"a": {"k": 1}, "b": {"k": 2}}}}, {}, "has both"),
        ({"x": {"levels": {"a": {"k": 1}}}}, {}, "at least 2 levels"),
        ({"x": {"levels": {"a": {"k": 1}, "b": {"l": 2}}}}, {}, "same keys"),
        ({"x": {"key": "k", "choices": [1, 2], "when": {}}}, {}, "must map parameters"),
        ({"x": {"key": "k", "choices": [1, 2], "when": {"y": []}}}, {}, "lists none"),
        ({"x": {"key": "k", "choices": [1, 2], "when": {"y": [1]}}}, {}, "names y, which is no earlier parameter"),
        ({"x": {"key": "k", "choices": [1, 2], "when": {"x": [1]}}}, {}, "names x, which is no earlier parameter"),
        (
            {"x": {"key": "k", "choices": [1, 2], "when": {"y": [1]}}, "y": {"key": "l", "choices": [1, 2]}},
            {},
            "declared later",
        ),
        (
            {"y": {"key": "l", "choices": [1, 2]}, "x": {"key": "k", "choices": [1, 2], "when": {"y": [3]}}},
            {},
            "y=3, which y cannot take; it has 1, 2\\.",
        ),
        (
            {
                "y": {"key": "l", "low": 2, "high": 8, "step": 2, "type": "int"},
                "x": {"key": "k", "choices": [1, 2], "when": {"y": [3]}},
            },
            {},
            "y=3, which y cannot take; it has 2 to 8 in steps of 2\\.",
        ),
        (
            {"y": {"key": "l", "low": 0, "high": 1}, "x": {"key": "k", "choices": [1, 2], "when": {"y": [0.5]}}},
            {},
            "no separate values",
        ),
        ({"x": {"key": "k", "choices": [1, 2]}, "y": {"key": "k", "choices": [1, 2]}}, {}, "x and y both set k"),
        ({"x": {"key": "k", "choices": [1, 2]}}, {"k": "$x"}, "x and settings both set k"),
        ({"x": {"key": "k", "choices": [1, 2]}}, {"l": ["$z"]}, "unknown z; choose from x"),
        ({"x": {"key": "k", "choices": [1, 2]}}, {"l": 3}, "must use a parameter"),
        ({"x": {"key": "k", "choices": [1, 2]}}, {"l": "$x costs 5$"}, "write \\$\\$"),
        ({"x": {"choices": [1, 2]}}, {}, "x sets nothing"),
    ],
)
def test_a_wrong_space_is_refused_with_its_reason(space: dict, templates: dict, message: str) -> None:
    with pytest.raises(MflabError, match=message):
        parse_space(space, templates)


def test_equal_spaces_have_equal_json_and_others_do_not() -> None:
    def canonical(space: dict, templates: dict) -> str:
        return json.dumps(parse_space(space, templates).to_dict(), sort_keys=True)

    integer = FULL | {"lr": dict(reversed(FULL["lr"].items())), "switch": FULL["switch"] | {"low": 0.1}}
    assert canonical(FULL, TEMPLATES) == canonical(integer, TEMPLATES)
    variants = [
        canonical(FULL, TEMPLATES),
        canonical(FULL | {"lr": FULL["lr"] | {"high": 2e-2}}, TEMPLATES),
        canonical(FULL | {"lr": FULL["lr"] | {"log": False}}, TEMPLATES),
        canonical(FULL | {"lr": FULL["lr"] | {"key": "optim.other"}}, TEMPLATES),
        canonical(FULL | {"switch": FULL["switch"] | {"when": {"style": ["facelift"]}}}, TEMPLATES),
        canonical(FULL, {"curriculum.stages": [{"until": "$switch"}]}),
        canonical(dict(reversed([*FULL.items()][:3])) | {"switch": FULL["switch"]}, TEMPLATES),
    ]
    assert len(set(variants)) == len(variants)


def test_the_settings_of_a_search_pass_through_omegaconf() -> None:
    written = {
        "sampler": "qmc",
        "pruner": "median",
        "space": FULL,
        "settings": TEMPLATES,
        "objectives": [{"name": "a"}],
    }
    config = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(SearchCfg), written))
    assert isinstance(config, SearchCfg)
    assert (config.sampler, config.pruner) == (Sampler.qmc, Pruner.median)
    assert parse_space(config.space, config.settings) == parse_space(FULL, TEMPLATES)
    with pytest.raises(ValidationError, match="Invalid value 'grid'"):
        OmegaConf.merge(OmegaConf.structured(SearchCfg), {"sampler": "grid"})
