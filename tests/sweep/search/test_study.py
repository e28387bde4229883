import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import optuna
import pytest

from mflab.design.search import Pruner, Sampler, SearchCfg
from mflab.design.space import Space, parse_space
from mflab.errors import MflabError
from mflab.sweep.search import optuna_repeats
from mflab.sweep.search.optuna_setup import STUDY_FILE
from mflab.sweep.search.study import Study, Suggestion, open_study

pytestmark = pytest.mark.usefixtures("quick_studies")
MAX_STEP = 90
STEPS = (10, 30, 60)
SPACE = parse_space(
    {
        "x": {"key": "a.x", "low": 1e-3, "high": 1.0, "log": True},
        "kind": {"key": "a.kind", "choices": ["flat", "bent"]},
        "bend": {"key": "a.bend", "low": 0.0, "high": 1.0, "step": 0.05, "when": {"kind": ["bent"]}},
        "n": {"key": "a.n", "low": 0, "high": 9, "type": "int"},
    },
    {},
)


def score(values: dict) -> float:
    return -abs(np.log10(values["x"]) + 1.5) - abs(values["n"] - 6) / 9 + values.get("bend", 0.0)


def reopen(folder: Path, search: SearchCfg, space: Space = SPACE, directions: tuple[str, ...] = ("maximize",)) -> Study:
    return open_study(search, space, directions, "search", folder, MAX_STEP)


def run_one(study: Study, search: SearchCfg) -> Suggestion:
    """Asks, trains a made-up curve and tells."""
    suggestion = study.ask()
    value = float(score(suggestion.values))
    for step in STEPS:
        if study.report(suggestion.number, step, value - 1 / step):
            study.tell_pruned(suggestion.number)
            return suggestion
    study.tell_done(suggestion.number, [value] if not search.objectives else [value, float(suggestion.values["x"])])
    return suggestion


def history(study: Study) -> list[tuple]:
    """What happened to every suggestion, without the traces of interruptions."""
    return [
        (trial.state, trial.params, trial.values, trial.intermediate)
        for trial in study.trials()
        if trial.state != "abandoned"
    ]


def num_finished(study: Study) -> int:
    return sum(trial.state in ("complete", "pruned", "failed") for trial in study.trials())


def running(study: Study) -> list[int]:
    return [trial.number for trial in study.trials() if trial.state == "running"]


SEARCHES = {
    "tpe": SearchCfg(trials=14),
    "tpe hyperband": SearchCfg(trials=14, pruner=Pruner.hyperband, first_rung=0.3, startup=2),
    "random median": SearchCfg(trials=14, sampler=Sampler.random, pruner=Pruner.median),
    "gp": SearchCfg(trials=9, sampler=Sampler.gp, pruner=Pruner.none),
    "qmc": SearchCfg(trials=10, sampler=Sampler.qmc, pruner=Pruner.none),
    "nsga2": SearchCfg(
        trials=10, sampler=Sampler.nsga2, pruner=Pruner.none, objectives=[{"name": "b", "direction": "lower"}]
    ),
}


@pytest.mark.parametrize("label", SEARCHES)
def test_an_interrupted_search_equals_an_undisturbed_one(label: str, tmp_path: Path) -> None:
    search = SEARCHES[label]
    directions = ("maximize", "minimize")[: 1 + len(search.objectives)]
    with reopen(tmp_path / "calm", search, directions=directions) as study:
        for _ in range(search.trials):
            run_one(study, search)
        expected = history(study)
        assert study.num_asked == num_finished(study) == search.trials

    rng = np.random.default_rng(0)
    interruptions, finished = 0, 0
    while finished < search.trials:
        with reopen(tmp_path / "wild", search, directions=directions) as study:
            for _ in range(int(rng.integers(3))):
                if study.num_asked < search.trials:
                    run_one(study, search)
            if study.num_asked < search.trials:
                # The driver dies with a trial half done.
                lost = study.ask()
                study.report(lost.number, STEPS[0], float(score(lost.values)) - 1 / STEPS[0])
                study.report(lost.number, STEPS[1], float(score(lost.values)) - 1 / STEPS[1])
                interruptions += 1
            finished = num_finished(study)
    assert interruptions > 2
    with reopen(tmp_path / "wild", search, directions=directions) as study:
        assert history(study) == expected
        assert study.requeued == 0
    parameters = [tuple(params.items()) for _, params, _, _ in expected]
    assert len(set(parameters)) == len(parameters)


def test_a_repeated_trial_counts_once_at_a_rung(tmp_path: Path) -> None:
    search = SearchCfg(sampler=Sampler.random, first_rung=0.1, startup=1, reduction=2)
    values = np.random.default_rng(2).normal(size=14).tolist()
    with reopen(tmp_path / "calm", search) as study:
        ask_many(study, search, values)
        expected = history(study)
    for index, value in enumerate(values):
        if index % 3 == 0:
            with reopen(tmp_path / "wild", search) as study:
                study.report(study.ask().number, STEPS[0], value)
        with reopen(tmp_path / "wild", search) as study:
            ask_many(study, search, [value])
            got = history(study)
    assert got == expected


def test_a_suggestion_depends_on_the_seed(tmp_path: Path) -> None:
    def first(seed: int) -> dict:
        with reopen(tmp_path / str(seed), SearchCfg(seed=seed)) as study:
            return study.ask().values

    assert first(0) != first(1)


@pytest.mark.parametrize("storage", ["journal:{}/deep/study.log", "sqlite:///{}/other.db"])
def test_every_storage_remembers_the_same(storage: str, tmp_path: Path) -> None:
    search = SearchCfg(trials=8)
    histories = []
    for place, where in (("", "usual"), (storage.format(tmp_path), "elsewhere")):
        for _ in range(2):
            with reopen(tmp_path / where, replace(search, storage=place)) as study:
                for _ in range(4):
                    run_one(study, search)
                histories.append(history(study))
    assert histories[1] == histories[3] and len(histories[1]) == 8
    assert (tmp_path / "usual" / STUDY_FILE).exists() and not (tmp_path / "elsewhere").exists()


def test_folders_with_braces_hold_a_study(tmp_path: Path) -> None:
    folder = tmp_path / "lr={1,2} 50%"
    with reopen(folder, SearchCfg()) as study:
        run_one(study, SearchCfg())
    with reopen(folder, SearchCfg()) as study:
        assert num_finished(study) == 1


DRIVER = """
import sys, time
from pathlib import Path
sys.path.insert(0, {root!r})
sys.path.insert(0, {tests!r})
from test_study import SearchCfg, reopen, run_one
study = reopen(Path({folder!r}), SearchCfg())
run_one(study, SearchCfg())
lost = study.ask()
print(lost.number, flush=True)
time.sleep(600)
"""


@pytest.fixture
def other_driver(tmp_path: Path) -> "Callable[[], subprocess.Popen[str]]":
    """Starts another process that finishes one trial, begins the next and hangs."""

    def start() -> "subprocess.Popen[str]":
        root = Path(__file__).resolve().parents[3]
        code = DRIVER.format(root=str(root), tests=str(root / "tests" / "sweep" / "search"), folder=str(tmp_path))
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout is not None and process.stdout.readline().strip().isdigit()
        return process

    processes: list[subprocess.Popen[str]] = []
    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_killed_driver_loses_nothing_and_a_living_one_keeps_its_trial(other_driver, tmp_path: Path) -> None:
    process = other_driver()
    with reopen(tmp_path, SearchCfg()) as study:
        assert (study.requeued, running(study), study.num_asked) == (0, [1], 2)
        lost = study.trials()[1].params
        run_one(study, SearchCfg())
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    with reopen(tmp_path, SearchCfg()) as study:
        assert (study.requeued, running(study), study.num_asked, num_finished(study)) == (1, [], 2, 2)
        again = run_one(study, SearchCfg())
        assert (again.values, again.repeats) == (lost, 1)
        assert [trial.state for trial in study.trials()].count("abandoned") == 1
        assert run_one(study, SearchCfg()).repeats is None


def test_what_cannot_be_seen_from_here_is_left_until_someone_knows(other_driver, tmp_path: Path) -> None:
    process = other_driver()
    asked = []
    with open_study(
        SearchCfg(), SPACE, ["maximize"], "search", tmp_path, MAX_STEP, is_gone=lambda owner: bool(asked.append(owner))
    ) as study:
        assert (study.requeued, running(study)) == (0, [1])
    assert {owner.pid for owner in asked} == {process.pid}
    with open_study(
        SearchCfg(), SPACE, ["maximize"], "search", tmp_path, MAX_STEP, is_gone=lambda owner: True
    ) as study:
        assert (study.requeued, running(study)) == (1, [])


def test_a_death_while_clearing_neither_loses_nor_doubles_a_suggestion(tmp_path: Path, monkeypatch) -> None:
    with reopen(tmp_path, SearchCfg()) as study:
        lost = study.ask()
    with monkeypatch.context() as patch:
        patch.setattr(optuna_repeats, "abandon", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            reopen(tmp_path, SearchCfg())
    with reopen(tmp_path, SearchCfg()) as study:
        assert [trial.state for trial in study.trials()] == ["abandoned", "waiting"]
        assert study.ask().values == lost.values
        assert study.ask().values != lost.values


def test_a_suggestion_that_two_starting_drivers_queue_is_asked_once(tmp_path: Path) -> None:
    with reopen(tmp_path, SearchCfg()) as study:
        lost = study.ask()
    with reopen(tmp_path, SearchCfg()) as study:
        # The second driver read the list of trials before the first one wrote.
        study._study.enqueue_trial(dict(lost.values), user_attrs={"repeats": lost.number})
        assert study.ask().values == lost.values
        assert study.ask().repeats is None
        assert study.num_asked == 2


def test_a_death_before_the_first_value_repeats_the_draw(tmp_path: Path) -> None:
    with reopen(tmp_path / "calm", SearchCfg()) as study:
        expected = [study.ask().values for _ in range(3)]
    with reopen(tmp_path / "wild", SearchCfg()) as study:
        first = study.ask().values
        # No owner either: the driver died in the instant after the trial was made.
        study._study.ask()
    with reopen(tmp_path / "wild", SearchCfg()) as study:
        assert study.requeued == 2
        assert [first, *(study.ask().values for _ in range(2))] == [expected[0], *expected[:2]]
        assert study.ask().values == expected[2]


def ask_many(study: Study, search: SearchCfg, values: list[float]) -> list[str]:
    """Runs trials whose reports are given; returns their states."""
    for value in values:
        number = study.ask().number
        for step in STEPS:
            if study.report(number, step, value):
                study.tell_pruned(number)
                break
        else:
            study.tell_done(number, [value])
    return [trial.state for trial in study.trials()]


@pytest.mark.parametrize("pruner", [Pruner.asha, Pruner.hyperband, Pruner.median])
def test_a_bad_trial_is_stopped_at_the_first_rung_and_keeps_its_last_value(pruner: Pruner, tmp_path: Path) -> None:
    search = SearchCfg(pruner=pruner, first_rung=0.3, startup=5)
    with reopen(tmp_path, search) as study:
        states = ask_many(study, search, [1.0, 2.0, 3.0, 4.0, 5.0, -1.0, 6.0])
        assert states == ["complete"] * 5 + ["pruned", "complete"]
        stopped = study.trials()[5]
        # Reports before the first rung at step 27 stop nothing.
        assert (stopped.values, stopped.intermediate) == ((-1.0,), {10: -1.0, 30: -1.0})


def test_the_first_suggestions_and_the_last_step_are_never_stopped(tmp_path: Path) -> None:
    search = SearchCfg(first_rung=0.1, startup=5)
    with reopen(tmp_path, search) as study:
        assert ask_many(study, search, [5.0, 4.0, 3.0, 2.0, 1.0, 0.0]) == ["complete"] * 5 + ["pruned"]
        number = study.ask().number
        assert not study.report(number, MAX_STEP, -9.0)
        assert not study.report(number, MAX_STEP + 5, -9.0)


def test_nothing_is_stopped_without_a_pruner(tmp_path: Path) -> None:
    search = SearchCfg(pruner=Pruner.none, startup=1)
    with reopen(tmp_path, search) as study:
        assert set(ask_many(study, search, [float(-value) for value in range(8)])) == {"complete"}


def test_a_report_said_twice_gets_the_same_answer(tmp_path: Path) -> None:
    search = SearchCfg(first_rung=0.1, startup=1)
    with reopen(tmp_path, search) as study:
        ask_many(study, search, [3.0, 4.0])
        number = study.ask().number
        assert [study.report(number, 10, 0.0) for _ in range(3)] == [True] * 3
        assert study.trials()[number].intermediate == {10: 0.0}


def test_halving_decides_as_optuna_does_by_itself(tmp_path: Path) -> None:
    search = SearchCfg(first_rung=0.1, startup=1, reduction=2, sampler=Sampler.random)
    reports = np.random.default_rng(0).normal(size=(20, 3))
    reports[0] = 9.0  # startup
    direct = optuna.create_study(
        direction="maximize", pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=9, reduction_factor=2)
    )
    with reopen(tmp_path, search) as study:
        for row in reports:
            number, trial = study.ask().number, direct.ask()
            for step, value in zip(STEPS, map(float, row), strict=True):
                trial.report(value, step)
                stop = trial.should_prune()
                assert study.report(number, step, value) == stop
                if stop:
                    break
            direct.tell(trial, state=optuna.trial.TrialState.PRUNED)
            study.tell_pruned(number)


def test_what_is_not_a_number_is_a_failed_trial(tmp_path: Path) -> None:
    with reopen(tmp_path, SearchCfg()) as study:
        study.tell_done(study.ask().number, [float("nan")])
        number = study.ask().number
        study.report(number, 10, float("nan"))
        study.tell_pruned(number)
        study.tell_failed(study.ask().number)
        study.tell_done(study.ask().number, [float("inf")])
        assert [(trial.state, trial.values) for trial in study.trials()] == [
            ("failed", None),
            ("pruned", None),
            ("failed", None),
            ("complete", (float("inf"),)),
        ]


def test_a_trial_is_told_once_and_with_a_value_per_objective(tmp_path: Path) -> None:
    with reopen(tmp_path, SearchCfg()) as study:
        first = study.ask().number
        with pytest.raises(MflabError, match=r"one value per objective, 1, but 0 got \[1.0, 2.0\]"):
            study.tell_done(first, [1.0, 2.0])
        study.tell_done(first, [1.0])
        for call in (study.tell_failed, study.tell_pruned):
            with pytest.raises(MflabError, match="0 does not run here"):
                call(first)
        with pytest.raises(MflabError, match="7 does not run here"):
            study.report(7, 10, 0.0)
        second = study.ask().number
        with open_study(SearchCfg(), SPACE, ["maximize"], "search", tmp_path, MAX_STEP, lambda _: True):
            # The same process holds the study twice, and so the trial is left alone.
            study.tell_done(second, [1.0])
        third = study.ask().number
        study._study.tell(third, state=optuna.trial.TrialState.FAIL)
        with pytest.raises(MflabError, match="took this one for dead"):
            study.tell_done(third, [1.0])


def test_with_several_objectives_reports_leave_nothing_and_all_values_are_kept(tmp_path: Path) -> None:
    search = SEARCHES["nsga2"]
    with reopen(tmp_path, search, directions=("maximize", "minimize")) as study:
        asked = [run_one(study, search).values for _ in range(search.trials)]
        assert [(trial.state, trial.values, trial.intermediate) for trial in study.trials()] == [
            ("complete", (float(score(values)), float(values["x"])), {}) for values in asked
        ]


@pytest.mark.parametrize(
    ("search", "directions", "message"),
    [
        (SearchCfg(), ("maximize", "minimize"), "pruner=asha and 2 objectives"),
        (SearchCfg(sampler=Sampler.nsga2), ("maximize",), "needs two objectives"),
        (SearchCfg(storage="nonsense"), ("maximize",), "must be a database URL"),
        (SearchCfg(storage="nosuchdb://host/name"), ("maximize",), "must be a database URL"),
    ],
)
def test_a_study_that_cannot_be_is_refused(
    search: SearchCfg, directions: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    with pytest.raises(MflabError, match=message):
        reopen(tmp_path, search, directions=directions)


def test_a_study_keeps_its_objectives_and_a_damaged_file_is_named(tmp_path: Path) -> None:
    reopen(tmp_path, SearchCfg()).close()
    with pytest.raises(MflabError, match=r"has \['maximize'\] and this search asks for \['minimize'\]"):
        reopen(tmp_path, SearchCfg(), directions=("minimize",))
    (tmp_path / STUDY_FILE).write_bytes(b"no database " * 100)
    with pytest.raises(MflabError, match=STUDY_FILE):
        reopen(tmp_path, SearchCfg())


def test_importances_find_the_parameter_that_matters_and_say_when_they_cannot(tmp_path: Path) -> None:
    space = parse_space({name: {"key": name, "low": 0.0, "high": 1.0} for name in ("strong", "weak")}, {})
    search = SearchCfg(sampler=Sampler.random, pruner=Pruner.none)
    with reopen(tmp_path, search, space) as study:
        for count in range(60):
            if count == 9:
                few = study.importances()
                assert few.shares is None and few.reason == "10 complete trials are needed, there are 9"
            values = study.ask()
            study.tell_done(values.number, [float(values.values["strong"]) + 0.01 * float(values.values["weak"])])
        shares = study.importances().shares
        assert shares is not None and shares["strong"] > 0.7
        assert sum(shares.values()) == pytest.approx(1.0)


def test_a_search_says_nothing_by_itself(tmp_path: Path, capfd, caplog) -> None:
    caplog.set_level(logging.INFO, logger="optuna")
    for label in ("tpe", "gp", "qmc", "nsga2"):
        search = SEARCHES[label]
        with reopen(
            tmp_path / label, search, directions=("maximize", "minimize")[: 1 + len(search.objectives)]
        ) as study:
            for _ in range(6):
                run_one(study, search)
    assert capfd.readouterr() == ("", "")


def test_the_dashboard_of_optuna_opens_the_file_as_it_is(tmp_path: Path) -> None:
    dashboard = pytest.importorskip("optuna_dashboard")
    with reopen(tmp_path, SearchCfg()) as study:
        for _ in range(3):
            run_one(study, SearchCfg())
        # A dashboard watches while the search goes on.
        app = dashboard.wsgi(f"sqlite:///{tmp_path / STUDY_FILE}")
        seen: list[str] = []

        def get(path: str) -> dict:
            environment = {
                "REQUEST_METHOD": "GET",
                "PATH_INFO": path,
                "SERVER_NAME": "localhost",
                "SERVER_PORT": "80",
                "wsgi.input": BytesIO(),
                "wsgi.errors": sys.stderr,
                "wsgi.url_scheme": "http",
            }
            return json.loads(b"".join(app(environment, lambda status, *_: seen.append(status))))

        (summary,) = get("/api/studies")["study_summaries"]
        assert summary["study_name"] == "search"
        detail = get(f"/api/studies/{summary['study_id']}")
        assert len(detail["trials"]) == 3
        assert set(seen) == {"200 OK"}
