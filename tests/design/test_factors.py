import pytest

from mflab.design import Factor, Level, level_name, parse_factors
from mflab.errors import MflabError


def test_both_forms_give_the_same_kind_of_factor() -> None:
    short, named = parse_factors(
        {
            "schedule": {"key": "curriculum", "levels": ["single", "two_stage"]},
            "lr": {
                "levels": {
                    "high": {"optim.lr": 1e-3, "optim.warmup": 10},
                    "low": {"optim.lr": 1e-4, "optim.warmup": 20},
                }
            },
        }
    )
    assert short == Factor(
        "schedule", (Level("single", (("curriculum", "single"),)), Level("two_stage", (("curriculum", "two_stage"),)))
    )
    assert named.keys == ("optim.lr", "optim.warmup")
    assert named.level("low").overrides == (("optim.lr", 1e-4), ("optim.warmup", 20))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"a": {"key": "k", "levels": ["x"]}}, "at least 2 levels, but got 1"),
        ({"a": {"key": "k", "levels": ["x", "x"]}}, "'x' appears twice"),
        ({"a": {"levels": {"p": {"k": 1}, "q": {"k": 1}}}}, "p and q set the same values"),
        ({"a": {"key": "k", "levels": [1, 2], "level": 3}}, "unknown field level"),
        ({"a": {"key": "k"}}, "must have levels"),
        ({"a": {"key": "k", "levels": "xy"}}, "must list its levels"),
        ({"a": {"levels": [1, 2]}}, "must name its levels"),
        ({"a": {"levels": {"p": {}, "q": {"k": 1}}}}, "must set at least one key"),
        ({"a": {"levels": {"p": {"k": 1}, "q": {"l": 1}}}}, "must set the same keys"),
        ({"a": {"key": "k", "levels": [1, 2]}, "b": {"key": "k", "levels": [3, 4]}}, "a and b both set k"),
    ],
)
def test_a_wrong_factor_is_refused_with_its_reason(spec: dict, message: str) -> None:
    with pytest.raises(MflabError, match=message):
        parse_factors(spec)


def test_level_names_read_as_yaml_values() -> None:
    assert [level_name(value) for value in ("x", 3, 0.5, False, None)] == ["x", "3", "0.5", "false", "null"]


def test_an_unknown_level_lists_the_options() -> None:
    (factor,) = parse_factors({"a": {"key": "k", "levels": ["x", "y"]}})
    with pytest.raises(MflabError, match="choose one of x, y"):
        factor.level("z")
