"""Each case from made-up numbers, its boundaries, what changes nothing, and what is missing."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.run_numbers import RunNumbers
from analysis.run_verdict import CASES, FATAL, MENDABLE, SPLIT, RunVerdict, judge_arms, judge_run
from analysis.verdict_limits import NUMBERS, read_limits

LIMITS = read_limits()
VIEWS = ("front_right", "right", "back", "left", "front_left")
SCENES = ("a", "b", "c", "d")
Levels = dict[str, float]


def flat(value: float) -> Levels:
    return dict.fromkeys(VIEWS, value)


def sets_of(**values: float) -> dict[str, Levels]:
    names = {"sc_min": 1.0, "pc": 0.75, "inconsistent": 0.0, "valid": 1.0} | values
    return {f"consistency/{name}": dict.fromkeys(SCENES, value) for name, value in names.items()}


GOOD = RunNumbers(
    trial_id="t",
    group="arm",
    seed=0,
    status="done",
    steps=200,
    step=200,
    prompt="mouse_elevated",
    num_stages=1,
    views={"psnr_fg": flat(14.0), "ssim_fg": flat(0.6)},
    baselines={
        "white": {"psnr_fg": flat(5.0), "ssim_fg": flat(0.1)},
        "copy_input": {"psnr_fg": flat(8.0), "ssim_fg": flat(0.1)},
        "mean_image": {"psnr_fg": flat(12.0), "ssim_fg": flat(0.4)},
        "pretrained": {"psnr_fg": flat(10.0), "ssim_fg": flat(0.2)},
    },
    curve=((0, 10.0), (50, 12.0), (100, 13.5), (150, 13.9), (200, 14.0)),
    prior=((0, 15.0), (200, 14.5)),
    train=((0, 10.0), (200, 14.5)),
    sets={**sets_of(), "collapse/diversity": {"a": 0.8}, "collapse/to_input": {"a": 0.9},
          "cameras/elevation_error": {"all": -1.0}, "cameras/decidable": {"all": 1.0}},
    true_sets={**sets_of(), "collapse/diversity": {"a": 1.0}},
)  # fmt: skip


def judge(**changes: object) -> RunVerdict:
    return judge_run(replace(GOOD, **changes), LIMITS)  # pyright: ignore[reportArgumentType]


def with_view(view: str, value: float, metric: str = "psnr_fg") -> dict[str, Levels]:
    return {**GOOD.views, metric: {**GOOD.views[metric], view: value}}


def with_sets(**values: dict[str, float]) -> dict[str, dict[str, float]]:
    return {**GOOD.sets, **{name.replace("__", "/"): value for name, value in values.items()}}


def test_a_run_that_keeps_every_limit_converged() -> None:
    verdict = judge()
    assert (verdict.case, verdict.reason, verdict.failed_views) == ("A", "all limits kept", ())
    assert all(check.passed for check in verdict.checks)
    assert [check.name for check in verdict.checks] == list(NUMBERS)


def test_every_number_is_what_its_definition_says() -> None:
    values = {check.name: check.value for check in judge().checks}
    expected = {
        "gain": 2.0, "gain_ssim": 0.2, "gain_pretrained": 4.0, "view_fall": 0.0, "view_fall_ssim": 0.0, "rise": 0.1,
        "decline": 0.0, "inconsistent": 0.0, "sc_min_fall": 0.0, "pc_fall": 0.0, "diversity": 0.8, "to_input": 0.9,
        "elevation_error": 1.0, "forgetting": 0.5, "gap": 0.5,
    }  # fmt: skip
    assert values == pytest.approx(expected)


MISSES: dict[str, dict[str, object]] = {
    "rise": {"curve": ((0, 10.0), (100, 12.0), (200, 14.0))},
    "decline": {"curve": ((0, 10.0), (100, 14.5), (150, 14.3), (200, 14.0))},
    "inconsistent": {"sets": {**GOOD.sets, **sets_of(inconsistent=1.0)}},
    "sc_min_fall": {"sets": {**GOOD.sets, **sets_of(sc_min=0.95)}},
    "pc_fall": {"sets": {**GOOD.sets, **sets_of(pc=0.4)}},
    "elevation_error": {"sets": with_sets(cameras__elevation_error={"all": -20.0})},
    "gain": {"views": {**GOOD.views, "psnr_fg": flat(12.5)}},
    "gain_ssim": {"views": {**GOOD.views, "ssim_fg": flat(0.3)}},
    "gap": {"train": ((0, 10.0), (200, 17.0))},
    "forgetting": {"prior": ((0, 15.0), (200, 11.0))},
}


@pytest.mark.parametrize("name", MENDABLE)
def test_one_missed_limit_makes_a_run_slow_or_inconsistent(name: str) -> None:
    verdict = judge(**MISSES[name])
    assert (verdict.case, verdict.cause) == ("B", name)
    assert [check.name for check in verdict.checks if check.passed is False] == [name]
    assert "(limit " in verdict.reason


FATALITIES: dict[str, dict[str, object]] = {
    "diversity": {"sets": with_sets(collapse__diversity={"a": 0.1, "b": 0.2})},
    "to_input": {"sets": with_sets(collapse__to_input={"a": 0.05})},
    "gain_pretrained": {"baselines": {**GOOD.baselines, "pretrained": {"psnr_fg": flat(15.0)}}},
}


@pytest.mark.parametrize("name", FATAL)
def test_collapse_and_harm_are_failures(name: str) -> None:
    verdict = judge(**FATALITIES[name])
    assert (verdict.case, verdict.cause) == ("C", name)


def test_no_view_better_than_without_a_model_is_a_failure() -> None:
    verdict = judge(views={**GOOD.views, "psnr_fg": flat(11.9)})
    assert (verdict.case, verdict.cause) == ("C", "views")
    assert verdict.failed_views == tuple(sorted(VIEWS))


def test_a_diverged_run_failed_whatever_was_measured_before() -> None:
    assert judge(status="diverged").case == "C"
    assert judge_run(RunNumbers("t", "arm", 0, "diverged", 200), LIMITS).reason == "training diverged"


@pytest.mark.parametrize(
    "views", [with_view("back", 11.5), with_view("back", 11.99), with_view("back", 0.3, metric="ssim_fg")]
)
def test_a_view_that_fails_or_falls_off_makes_a_partial_run(views: dict[str, Levels]) -> None:
    verdict = judge(views=views)
    assert (verdict.case, verdict.failed_views) == ("D", ("back",))
    assert verdict.reason == "1 of 5 unseen views fails: back"


def test_partial_goes_before_slow_and_failed_before_partial() -> None:
    assert judge(views=with_view("back", 11.0), **MISSES["rise"]).case == "D"
    assert judge(views=with_view("back", 11.0), **FATALITIES["diversity"]).case == "C"


def at_limit(name: str, offset: float) -> dict[str, object]:
    """A run whose number is `offset` beyond its limit, on the side that misses it."""
    size = getattr(LIMITS, name) + offset
    if name == "gain":
        return {"views": {**GOOD.views, "psnr_fg": flat(12.0 + LIMITS.gain - offset)}}
    if name == "forgetting":
        return {"prior": ((0, 16.0), (200, 16.0 - size))}
    if name == "pc_fall":
        return {"sets": {**GOOD.sets, **sets_of(pc=0.75 - size)}}
    if name == "inconsistent":
        flags = dict.fromkeys(SCENES, 0.0) | {"a": 1.0} | ({"b": 1.0} if offset > 0 else {})
        return {"sets": {**GOOD.sets, "consistency/inconsistent": flags}}
    return {"sets": with_sets(cameras__elevation_error={"all": size})}


@pytest.mark.parametrize("name", ["gain", "forgetting", "pc_fall", "inconsistent", "elevation_error"])
def test_a_limit_itself_is_kept_and_a_little_more_misses_it(name: str) -> None:
    assert judge(**at_limit(name, -1e-9)).case == "A"
    assert judge(**at_limit(name, 1e-6)).case == "B"


def test_exactly_as_good_as_no_model_is_kept_and_a_little_less_fails() -> None:
    assert judge(views=with_view("back", 12.0)).case == "A"
    assert judge(views=with_view("back", 12.0 - 1e-9)).case == "D"


levels = st.floats(5.0, 20.0)


def run_of(psnr: list[float], ssim: list[float], curve: list[float], sets: list[float]) -> RunNumbers:
    points = tuple((50 * place, value) for place, value in enumerate(curve))
    found = {**sets_of(pc=sets[0], sc_min=sets[1]), "collapse/diversity": {"a": sets[2]}}
    own = {"psnr_fg": dict(zip(VIEWS, psnr, strict=True)), "ssim_fg": dict(zip(VIEWS, ssim, strict=True))}
    return replace(GOOD, views=own, curve=points, sets=found)


runs = st.builds(
    run_of,
    st.lists(levels, min_size=5, max_size=5),
    st.lists(st.floats(0.3, 0.9), min_size=5, max_size=5),
    st.lists(levels, min_size=5, max_size=5),
    st.lists(st.floats(0.0, 1.0), min_size=3, max_size=3),
)
near = st.builds(
    run_of,
    st.lists(st.floats(12.5, 15.0), min_size=5, max_size=5),
    st.lists(st.floats(0.5, 0.55), min_size=5, max_size=5),
    st.just([10.0, 12.0, 13.0, 14.0, 14.1]),
    st.just([0.7, 0.995, 0.8]),
)


@given(near | runs, st.sampled_from(VIEWS), st.floats(0.0, 10.0))
def test_a_better_view_never_turns_converged_into_failed(run: RunNumbers, view: str, more: float) -> None:
    views = {**run.views, "psnr_fg": {**run.views["psnr_fg"], view: run.views["psnr_fg"][view] + more}}
    after = judge_run(replace(run, views=views), LIMITS).case
    if judge_run(run, LIMITS).case == "A":
        assert after != "C"
    if after == "C":
        assert judge_run(run, LIMITS).case == "C"


@given(near, st.floats(0.0, 10.0))
def test_a_run_that_is_better_everywhere_stays_converged(run: RunNumbers, more: float) -> None:
    better = replace(
        run,
        views={**run.views, "psnr_fg": {view: value + more for view, value in run.views["psnr_fg"].items()}},
        curve=tuple((step, value + more) for step, value in run.curve),
    )
    if judge_run(run, LIMITS).case == "A":
        assert judge_run(replace(better, train=()), LIMITS).case == "A"


@given(runs, st.permutations(VIEWS), st.permutations(SCENES))
def test_the_order_of_views_and_scenes_changes_nothing(run: RunNumbers, views: list[str], scenes: list[str]) -> None:
    mixed = replace(
        run,
        views={name: {view: values[view] for view in views} for name, values in reversed(run.views.items())},
        sets={
            name: {scene: values[scene] for scene in scenes} if len(values) == 4 else values
            for name, values in run.sets.items()
        },
    )
    first, second = judge_run(run, LIMITS), judge_run(mixed, LIMITS)
    assert (first.case, first.cause, first.failed_views) == (second.case, second.cause, second.failed_views)
    for one, other in zip(first.checks, second.checks, strict=True):
        assert one.value == pytest.approx(other.value)


@pytest.mark.parametrize(
    ("changes", "cause", "words"),
    [
        ({"views": {}, "step": None, "curve": ()}, "gain", "no psnr_fg of unseen views"),
        ({"baselines": {}}, "gain", "no baseline white or copy_input or mean_image"),
        ({"baselines": {k: v for k, v in GOOD.baselines.items() if k != "mean_image"}}, "gain", "baseline mean_image"),
        ({"sets": {}}, "inconsistent", "consistency was not measured at the judged step"),
        ({"sets": sets_of(valid=0.0)}, "inconsistent", "no predicted set has an object that can be judged"),
        ({"true_sets": {}}, "inconsistent", "no ground_truth row"),
        ({"curve": ((0, 10.0), (200, 14.0))}, "rise", "fewer than two validations after step 0"),
    ],
)
def test_what_was_not_measured_leaves_a_run_undecided(changes: dict[str, object], cause: str, words: str) -> None:
    verdict = judge(**changes)
    assert (verdict.case, verdict.cause) == ("undecided", cause)
    assert words in verdict.reason


def test_what_may_be_switched_off_is_told_and_does_not_stop_a_verdict() -> None:
    verdict = judge(prior=(), train=(), sets=sets_of())
    assert verdict.case == "A"
    assert verdict.reason.startswith("all limits kept; not measured: diversity, ")
    assert {check.name for check in verdict.checks if check.passed is None} == {
        "diversity", "to_input", "elevation_error", "forgetting", "gap",
    }  # fmt: skip


def test_forgetting_needs_the_state_before_training_and_the_judged_one() -> None:
    for prior in (((50, 15.0), (200, 11.0)), ((0, 15.0), (100, 11.0))):
        assert judge(prior=prior).check("forgetting").value is None


def test_an_undecidable_camera_check_is_no_number() -> None:
    sets = with_sets(cameras__decidable={"all": 0.0}, cameras__elevation_error={"all": 40.0})
    check = judge(sets=sets).check("elevation_error")
    assert (check.value, check.note) == (None, "undecidable from these sets")


def test_sets_are_compared_with_the_true_views_of_the_same_scenes() -> None:
    own = {**GOOD.sets, "consistency/inconsistent": {"a": 1.0, "b": 1.0, "c": 0.0, "d": 0.0}}
    true = {**GOOD.true_sets, "consistency/inconsistent": {"a": 1.0, "b": 0.0}}
    check = judge(sets=own, true_sets=true).check("inconsistent")
    assert (check.value, check.note) == (0.5, "n = 2")


def test_an_arm_has_the_case_of_most_of_its_runs_and_shows_all() -> None:
    verdicts = [
        judge(),
        judge(),
        judge(**MISSES["rise"]),
        judge(group="other"),
        judge(group="other", status="diverged"),
    ]
    first, second = judge_arms(verdicts)
    assert (first.group, first.case) == ("arm", "A")
    assert first.counts == {"A": 2, "B": 1, "C": 0, "D": 0, "undecided": 0}
    assert (second.group, second.case, second.counts["A"], second.counts["C"]) == ("other", SPLIT, 1, 1)
    assert all(tuple(arm.counts) == CASES and sum(arm.counts.values()) == len(arm.verdicts) for arm in (first, second))


def test_a_verdict_is_plain_in_a_report() -> None:
    record = judge(**MISSES["rise"]).to_dict()
    assert (record["case"], record["step"], record["cause"]) == ("B", 200, "rise")
    (rise,) = [row for row in record["numbers"] if row["name"] == "rise"]
    assert rise == {"name": "rise", "value": 1.0, "limit": LIMITS.rise, "side": "at most", "passed": False,
                    "note": "since step 150"}  # fmt: skip
