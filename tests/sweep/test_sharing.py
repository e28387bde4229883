"""Tiny real training: whatever is shared, lost, damaged or added, every trial gets the bits it would get alone.

One sweep is run once; each test then works on a copy of its folder and its store. A second sweep with the same
treatments and another name must find everything in the store, or make again exactly what was taken away from it.
"""

import dataclasses
import random
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from torch import Tensor

from mflab.curriculum import StageState
from mflab.results import read_ledger, read_plan
from mflab.results.tables import read_metrics, read_training, read_trials
from mflab.sweep import command
from mflab.sweep.planning.ledger import latest
from mflab.sweep.planning.plan import make_plan
from mflab.sweep.planning.planned import SweepPlan
from mflab.sweep.running.hooks import Hooks
from mflab.sweep.stages.attempts import read_attempts
from mflab.sweep.stages.opening import InputCache
from mflab.sweep.stages.outcome import TrialOutcome
from mflab.sweep.stages.trial import run_trial
from mflab.sweep.store import Kind, Store
from mflab.sweep.store.__main__ import main as store_main
from mflab.train import DiffusionTask
from tests.sweep.conftest import TINY, run_serially, whole

pytestmark = pytest.mark.usefixtures("composed_once")
CACHE = InputCache()
FIRST = "{until:0.5,prompt:facelift}"
# Four steps with the base wording, then four with other settings; the last four differ in the first half too.
ARMS = {
    "plain": f"{FIRST},{{until:1}}",
    "frozen": f"{FIRST},{{until:1,trainable:cross_attention}}",
    "cooled": f"{FIRST},{{until:1,lr_multiplier_end:0.0}}",
    "jittered": f"{FIRST},{{until:1,augmentation:jitter}}",
    "thawed": "{until:0.5,prompt:facelift,trainable:decoder},{until:1}",
    "two_stage": "{until:0.25,prompt:facelift},{until:1}",
    "three_stage": "{until:0.125,prompt:facelift},{until:0.25,prompt:facelift_elevated},{until:1}",
    "blend": "{until:0.125,prompt:facelift},{until:0.5,transition:linear},{until:1}",
}
BASE = [*TINY, "train.steps=8", "train.checkpoint_every=8", "sweep.workers=1"]
COMMON = [*BASE, "prompts.style=mouse_elevated"]
Rows = list[dict]


def arms(*names: str, **others: str) -> str:
    """A factor whose levels are stages: those above by name, others as they are."""
    stages = {name: ARMS[name] for name in names} | others
    levels = ",".join(f"{name}:{{curriculum.stages:[{one}]}}" for name, one in stages.items())
    return f"+sweep.factors.arm={{levels:{{{levels}}}}}"


def styles(*names: str) -> str:
    return f"+sweep.factors.style={{key:prompts.style,levels:[{','.join(names)}]}}"


@dataclass
class Sweep:
    """A sweep that tests run under one name after another, on one store, in the working directory."""

    data: Path
    overrides: tuple[str, ...]

    @property
    def outputs(self) -> Path:
        return Path("outputs").resolve()

    @property
    def store(self) -> Store:
        return Store(str(self.outputs / "store"))

    def line(self, name: str, more: Sequence[str] = ()) -> list[str]:
        """The command line of the sweep under a name."""
        return [*self.overrides, f"paths.data={self.data}", f"sweep.name={name}", *more]

    def run(self, name: str, *more: str, runner: Callable[[int, int, Hooks], None] = run_serially) -> int:
        return command.main(self.line(name, more), runner)

    def folder(self, name: str) -> Path:
        return self.outputs / name

    def plan(self, name: str, *more: str) -> SweepPlan:
        line = self.line(name, more)
        return make_plan(command.compose(line), line, [], CACHE)

    def events(self, name: str, event: str) -> Rows:
        return [row for row in read_ledger(self.folder(name)) if row["event"] == event]

    def steps_run(self, name: str) -> int:
        return sum(row["steps_run"] for row in read_ledger(self.folder(name)) if "steps_run" in row)

    def weights(self, name: str) -> dict[str, str]:
        return {one: row["weights_sha256"] for one, row in latest(read_ledger(self.folder(name))).items()}

    def states(self) -> set[str]:
        return set(self.store.names(Kind.state))


def refuse(workers: int, threads: int, hooks: Hooks) -> None:
    raise AssertionError("nothing should run")


def assert_equal_results(sweep: Sweep, name: str, other: str) -> None:
    """Same weights, and same metric and training rows but for the seconds."""
    assert sweep.weights(name) == sweep.weights(other)
    pd.testing.assert_frame_equal(read_metrics(sweep.folder(name)), read_metrics(sweep.folder(other)))
    rows = [read_training(sweep.folder(one)).drop(columns="seconds") for one in (name, other)]
    pd.testing.assert_frame_equal(*rows)
    for one in sweep.weights(name):
        files = [sweep.folder(folder) / "weights" / f"{one}.safetensors" for folder in (name, other)]
        assert files[0].read_bytes() == files[1].read_bytes()


def run_alone(plan: SweepPlan, trial_id: str, folder: Path) -> TrialOutcome:
    """A trial by itself, in a store of its own."""
    config = plan.trials[trial_id].config
    return run_trial(config, trial_id, folder, whole(config, folder / "store", CACHE), lambda progress: None, CACHE)


def assert_equal_to_trials_alone(sweep: Sweep, name: str, plan: SweepPlan, folder: Path) -> None:
    metrics = read_metrics(sweep.folder(name))
    for trial_id, sha256 in sweep.weights(name).items():
        alone = run_alone(plan, trial_id, folder / trial_id)
        assert (alone.steps_run, alone.weights_sha256) == (plan.trials[trial_id].config.train.steps, sha256)
        rows = pd.read_parquet(folder / trial_id / "trials" / trial_id / "metrics.parquet")
        own = metrics[metrics.trial_id.astype(str) == trial_id].reset_index(drop=True)
        pd.testing.assert_frame_equal(own, rows, check_dtype=False, check_categorical=False)


def assert_ran_as_planned(sweep: Sweep, name: str) -> None:
    """The last plan's steps are those that the ledger's trials trained since."""
    rows = read_ledger(sweep.folder(name))
    start = max(place for place, row in enumerate(rows) if row["event"] == "start")
    run = sum(row["steps_run"] for row in rows[start:] if "steps_run" in row)
    assert run == read_plan(sweep.folder(name)).steps_to_run


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, data_folder: Path, composed_once: None) -> Path:
    """Outputs of the finished sweep over all arms."""
    folder = tmp_path_factory.mktemp("original")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert Sweep(data_folder, (*COMMON, arms(*ARMS))).run("first") == 0
    return folder / "outputs"


@pytest.fixture
def finished(original: Path, data_folder: Path) -> Sweep:
    """A copy of the finished sweep and its store, with the times of the files."""
    shutil.copytree(original, "outputs")
    return Sweep(data_folder, (*COMMON, arms(*ARMS)))


@pytest.fixture
def fresh(data_folder: Path) -> Sweep:
    """Two arms with a common first half, not run yet."""
    return Sweep(data_folder, (*COMMON, arms("plain", "frozen")))


# Sharing


def test_shared_trials_equal_trials_alone_bitwise(finished: Sweep, tmp_path: Path):
    plan = read_plan(finished.folder("first"))
    # 8 steps each. Common: step 1 of blend, and of all that begin with the base wording at full strength.
    assert (plan.steps_asked, len(plan.trials)) == (64, 8)
    assert finished.steps_run("first") == plan.steps_distinct == plan.steps_to_run < 48
    assert_equal_to_trials_alone(finished, "first", finished.plan("first"), tmp_path / "alone")


def test_every_state_is_made_once_and_every_stage_ends_in_one(finished: Sweep):
    stages = {stage.key for stage in read_plan(finished.folder("first")).stages}
    attempts = Counter((attempt.event, attempt.state) for attempt in read_attempts(finished.folder("first")))
    assert attempts == Counter({(event, state): 1 for event in ("begun", "stored") for state in stages})
    assert finished.states() == set(finished.store.names(Kind.history)) == stages


def test_cost_is_told_alone_and_as_it_was(finished: Sweep):
    trials = read_trials(finished.folder("first"))
    rows = finished.events("first", "done")
    assert all(row["seconds_alone"] > 0 for row in rows)
    assert {sum(steps for _, steps, _ in row["stages"]) for row in rows} == {8}
    assert set(trials.status) == {"done"}


def test_sweep_that_must_not_share_gives_the_same_bits_for_all_its_steps(fresh: Sweep):
    assert fresh.run("first") == 0
    assert fresh.run("apart", "store.share=false") == 0
    assert (fresh.steps_run("first"), fresh.steps_run("apart")) == (12, 16)
    assert_equal_results(fresh, "apart", "first")


# Nothing is done twice


def test_finished_sweep_starts_nothing_whatever_its_question_says(finished: Sweep):
    assert finished.run("first", runner=refuse) == 0
    assert finished.run("first", "sweep.question='What else?'", runner=refuse) == 0
    assert read_plan(finished.folder("first")).steps_to_run == 0


def test_second_sweep_of_the_same_treatments_runs_nothing(finished: Sweep):
    # Baselines belong to a sweep folder; trials do not.
    assert finished.run("second") == 0
    assert finished.events("second", "started") == []
    assert finished.steps_run("second") == read_plan(finished.folder("second")).steps_to_run == 0
    assert_equal_results(finished, "second", "first")


# What is lost is made again


@pytest.mark.parametrize("share", [0.25, 0.75])
def test_sweep_goes_on_from_any_beginning_of_its_store(finished: Sweep, share: float):
    files = [
        path
        for kind in ("states", "histories", "evaluations")
        for path in (finished.outputs / "store" / kind).rglob("*")
        if path.is_file()
    ]
    files.sort(key=lambda path: path.stat().st_mtime_ns)
    for path in files[int(share * len(files)) :]:
        path.unlink()
    left = finished.states() & set(finished.store.names(Kind.history))
    assert finished.run("second") == 0
    assert_equal_results(finished, "second", "first")
    missing = [stage for stage in read_plan(finished.folder("first")).stages if stage.key not in left]
    assert finished.steps_run("second") == sum(stage.end - stage.start for stage in missing)
    assert_ran_as_planned(finished, "second")


@pytest.mark.parametrize("seed", range(2))
def test_sweep_fills_any_holes_of_its_store(finished: Sweep, seed: int):
    generator = random.Random(seed)
    for path in sorted(path for path in (finished.outputs / "store").rglob("*") if path.is_file()):
        if path.parent.name != "references" and generator.random() < 0.4:
            path.unlink()
    assert finished.run("second") == 0
    assert_equal_results(finished, "second", "first")
    assert_ran_as_planned(finished, "second")


def flip_a_bit(path: Path, generator: random.Random) -> None:
    content = bytearray(path.read_bytes())
    place = generator.randrange(4096, len(content))
    content[place] ^= 1 << generator.randrange(8)
    path.write_bytes(content)


def leaf_stage(sweep: Sweep, arm: str) -> tuple[str, int, int]:
    """Key, start and end of the last stage of an arm."""
    plan = read_plan(sweep.folder("first"))
    (trial,) = [trial.trial_id for trial in plan.trials if trial.cell["arm"] == arm]
    stage = max((stage for stage in plan.stages if trial in stage.trials), key=lambda stage: stage.end)
    return stage.key, stage.start, stage.end


@pytest.mark.parametrize("kind", ["states", "histories"])
def test_damaged_last_state_is_set_aside_told_and_made_again_from_its_parent(finished: Sweep, kind: str):
    key, start, end = leaf_stage(finished, "frozen")
    flip_a_bit(finished.outputs / "store" / kind / key, random.Random(0))
    assert finished.run("second") == 0
    assert_equal_results(finished, "second", "first")
    assert start == 4
    assert finished.steps_run("second") == end - start
    assert [key in row["entry"] for row in finished.events("second", "damaged")] == [True]
    assert [path.name for path in (finished.outputs / "store" / "damaged").rglob("*") if path.is_file()] == [
        f"{Path(key).name}.0"
    ]


def test_damaged_evaluations_are_made_again_and_cost_only_the_steps_to_them(finished: Sweep):
    plan = finished.plan("first")
    names = {wanted.name: wanted.step for trial in plan.trials.values() for wanted in trial.route.evaluations}
    assert sorted(set(names.values())) == [0, 4, 8]
    for name in names:
        flip_a_bit(finished.outputs / "store" / "evaluations" / name, random.Random(name))
    assert finished.run("second") == 0
    assert_equal_results(finished, "second", "first")
    # Where the first half is no stage by itself, its evaluation lies inside one; the other evaluations are of states.
    stages = read_plan(finished.folder("first")).stages
    inside = {stage.key: 4 - stage.start for stage in stages if stage.start < 4 < stage.end}
    assert inside
    assert finished.steps_run("second") == sum(inside.values())
    told = [row["entry"] for row in finished.events("second", "damaged")]
    assert all(any(name in text for text in told) for name in names)


def test_damaged_common_state_is_made_again_from_its_parent_for_who_builds_on_it(finished: Sweep):
    common = next(stage for stage in read_plan(finished.folder("first")).stages if stage.end == 4)
    assert common.start == 2
    flip_a_bit(finished.outputs / "store" / "states" / common.key, random.Random(0))
    new = dataclasses.replace(
        finished, overrides=(*COMMON, "curriculum.stages=[{until:0.5,prompt:facelift},{until:1.0,prompt:realistic}]")
    )
    assert new.run("new") == 0
    # Two steps to the damaged state, four behind it.
    assert new.steps_run("new") == 6
    assert [common.key in row["entry"] for row in new.events("new", "damaged")] == [True]
    (alone,) = new.weights("new").values()
    plan = new.plan("new")
    assert run_alone(plan, next(iter(plan.trials)), new.outputs / "alone").weights_sha256 == alone


def test_missing_parent_is_made_again_only_for_who_builds_on_it(finished: Sweep):
    common = next(stage for stage in read_plan(finished.folder("first")).stages if stage.end == 4)
    for kind in (Kind.state, Kind.history):
        finished.store.remove(kind, common.key)
    assert finished.run("second") == 0
    assert finished.steps_run("second") == 0
    key, start, _ = leaf_stage(finished, "jittered")
    finished.store.remove(Kind.history, key)
    assert start == 4
    assert finished.run("third") == 0
    assert finished.steps_run("third") == 8 - common.start
    assert_equal_results(finished, "third", "first")


def test_collected_store_still_serves_and_extends(finished: Sweep, tmp_path: Path, capsys):
    leaves = {leaf_stage(finished, arm)[0] for arm in ARMS}
    assert store_main(["gc", str(finished.outputs / "store")]) == 0
    assert finished.states() == leaves
    assert finished.run("first", runner=refuse) == 0
    assert finished.run("second") == 0
    assert finished.steps_run("second") == 0
    capsys.readouterr()
    new = dataclasses.replace(finished, overrides=(*COMMON, arms("plain", "jittered", "frozen")))
    seeds = ["sweep.seeds=[0,1]"]
    assert new.run("third", *seeds) == 0
    assert_ran_as_planned(new, "third")
    # The first seed is all there; of the second, one half is common.
    assert new.steps_run("third") == 4 + 3 * 4
    plan = new.plan("third", *seeds)
    trial = next(trial.trial_id for trial in plan.record.trials if trial.seed == 1)
    assert run_alone(plan, trial, tmp_path / "alone").weights_sha256 == new.weights("third")[trial]


# Extension


def test_added_seed_runs_only_its_own_steps(fresh: Sweep):
    assert fresh.run("first") == 0
    assert fresh.run("first", "sweep.seeds=[0,1]") == 0
    plan = read_plan(fresh.folder("first"))
    assert (plan.steps_asked, plan.steps_distinct, plan.steps_to_run) == (32, 24, 12)
    assert_ran_as_planned(fresh, "first")


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        ("{until:0.5,prompt:facelift},{until:1,augmentation:crop}", 4),
        # It leaves the plain arm after six steps, where nothing is stored, or before the first stored state.
        ("{until:0.5,prompt:facelift},{until:0.75},{until:1,augmentation:crop}", 4),
        ("{until:0.25,prompt:facelift},{until:1,augmentation:crop}", 8),
    ],
)
def test_new_arm_runs_only_what_follows_the_nearest_state(fresh: Sweep, tmp_path: Path, new: str, expected: int):
    assert fresh.run("first") == 0
    assert [(stage.start, stage.end) for stage in read_plan(fresh.folder("first")).stages] == [(0, 4), (4, 8), (4, 8)]
    wider = dataclasses.replace(fresh, overrides=(*COMMON, arms("plain", "frozen", new=new)))
    assert wider.run("first") == 0
    assert wider.steps_run("first") - 12 == read_plan(wider.folder("first")).steps_to_run == expected
    plan = wider.plan("first")
    (trial,) = [trial.trial_id for trial in plan.record.trials if trial.cell["arm"] == "new"]
    assert run_alone(plan, trial, tmp_path / "alone").weights_sha256 == wider.weights("first")[trial]


@pytest.mark.parametrize("is_other_sweep", [False, True])
def test_longer_run_at_constant_learning_rate_runs_only_its_new_steps(
    data_folder: Path, tmp_path: Path, is_other_sweep: bool
):
    constant = [
        "optim.schedule=constant",
        "curriculum.unit=steps",
        styles("simple", "realistic"),
    ]

    def of_length(steps: int) -> Sweep:
        stages = f"curriculum.stages=[{{until:2,prompt:facelift}},{{until:{steps}}}]"
        return Sweep(data_folder, (*TINY, *constant, stages, f"train.steps={steps}"))

    short, longer = of_length(4), of_length(8)
    assert short.run("first") == 0
    assert short.steps_run("first") == 2 + 2 * 2
    states = short.states()
    name = "second" if is_other_sweep else "first"
    assert longer.run(name) == 0
    assert read_plan(longer.folder(name)).steps_to_run == 8
    assert_ran_as_planned(longer, name)
    # What the shorter run ended with is still its own.
    assert longer.states() > states
    own = {trial.trial_id for trial in read_plan(longer.folder(name)).trials}
    for trial_id in own:
        alone = run_alone(longer.plan(name), trial_id, tmp_path / trial_id)
        assert alone.weights_sha256 == longer.weights(name)[trial_id]


def test_other_validation_times_train_only_up_to_what_was_not_measured(fresh: Sweep, tmp_path: Path):
    assert fresh.run("first") == 0
    more = ["validation.at=[0,0.125,0.25,0.5,0.75,1]"]
    assert fresh.run("second", *more) == 0
    # Up to step 2 for both, and each from the stored step 4 to step 6.
    assert fresh.steps_run("second") == read_plan(fresh.folder("second")).steps_to_run == 2 + 2 + 2
    assert set(fresh.weights("second").values()) == set(fresh.weights("first").values())
    assert_equal_to_trials_alone(fresh, "second", fresh.plan("second", *more), tmp_path / "alone")


def test_other_wording_of_the_question_evaluates_stored_states_without_training(finished: Sweep):
    # All stages name their wordings, so that only the evaluation asks for another.
    stages = "curriculum.stages=[{until:0.5,prompt:facelift},{until:1.0,prompt:mouse_elevated}]"
    other = dataclasses.replace(finished, overrides=(*BASE, stages, styles("mouse_elevated", "simple")))
    assert other.run("second") == 0
    assert other.steps_run("second") == 0
    (plain,) = [trial.trial_id for trial in read_plan(finished.folder("first")).trials if trial.cell["arm"] == "plain"]
    assert set(other.weights("second").values()) == {finished.weights("first")[plain]}
    assert read_metrics(other.folder("second")).groupby("trial_id", observed=True).value.sum().nunique() == 2


def test_evaluations_of_other_trials_are_made_on_the_way(fresh: Sweep, tmp_path: Path):
    # Two wordings of the question about one chain: the second trial has nothing left to train.
    asked = dataclasses.replace(
        fresh,
        overrides=(
            *BASE,
            "curriculum.stages=[{until:1.0,prompt:facelift}]",
            styles("simple", "realistic"),
        ),
    )
    assert asked.run("first") == 0
    assert asked.steps_run("first") == read_plan(asked.folder("first")).steps_distinct == 8
    assert_equal_to_trials_alone(asked, "first", asked.plan("first"), tmp_path / "alone")


# What goes wrong in common


def test_divergence_in_a_common_stage_ends_all_who_pass_it_after_one_training(fresh: Sweep):
    assert fresh.run("first", "optim.lr=1e30", "sweep.seeds=[0,1]") == 1
    assert set(read_trials(fresh.folder("first")).status) == {"diverged"}
    assert len(fresh.events("first", "started")) == 2
    rows = fresh.events("first", "diverged")
    assert len(rows) == 4
    assert sorted(row["steps_run"] > 0 for row in rows) == [False, False, True, True]
    assert fresh.run("first", "optim.lr=1e30", "sweep.seeds=[0,1]", runner=refuse) == 1
    # The store knows it too.
    assert fresh.run("second", "optim.lr=1e30", "sweep.seeds=[0,1]") == 1
    assert fresh.events("second", "started") == []
    pd.testing.assert_frame_equal(read_metrics(fresh.folder("first")), read_metrics(fresh.folder("second")))


def test_divergence_found_where_trials_part_ends_both(fresh: Sweep, monkeypatch: pytest.MonkeyPatch):
    # The last common step breaks the weights, which the evaluation right after it is the first to see.
    whole_loss, modules = DiffusionTask.loss, []

    def loss(self: DiffusionTask, batch: object, step: int, state: StageState) -> Tensor:
        value = whole_loss(self, batch, step, state)
        modules[:] = [self.module]
        if step == 3:
            value.register_hook(break_weights)
        return value

    def break_weights(gradient: Tensor) -> None:
        modules[0].conv_out.bias.data.fill_(float("inf"))

    monkeypatch.setattr(DiffusionTask, "loss", loss)
    assert fresh.run("first") == 1
    assert set(read_trials(fresh.folder("first")).status) == {"diverged"}
    assert len(fresh.events("first", "started")) == 1
    assert fresh.steps_run("first") == 4


def fail_at(monkeypatch: pytest.MonkeyPatch, is_bad: Callable[[DiffusionTask, int, StageState], bool]) -> list[int]:
    """Makes the training raise where `is_bad` says so; returns the steps at which it did."""
    whole_loss, failed = DiffusionTask.loss, []

    def loss(self: DiffusionTask, batch: object, step: int, state: StageState) -> Tensor:
        if is_bad(self, step, state):
            failed.append(step)
            raise RuntimeError("no such thing")
        return whole_loss(self, batch, step, state)

    monkeypatch.setattr(DiffusionTask, "loss", loss)
    return failed


def test_failing_common_stage_is_one_cause_for_all_behind_it(fresh: Sweep, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patch:
        failed = fail_at(patch, lambda task, step, state: step == 2)
        assert fresh.run("first") == 1
        assert failed == [2]
    errors = [row["error"] for row in fresh.events("first", "failed")]
    assert errors[0] == "RuntimeError at step 2: no such thing"
    first = fresh.events("first", "failed")[0]["trial_id"]
    assert errors[1:] == [f"its common stage with trial {first} failed: {errors[0]}"]
    assert fresh.run("first") == 0
    assert set(read_trials(fresh.folder("first")).status) == {"done"}


def test_failing_trial_does_not_keep_the_others_from_ending(fresh: Sweep, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patch:
        fail_at(patch, lambda task, step, state: task.seed == 1 and state.stage.trainable.name != "all")
        assert fresh.run("first", "sweep.seeds=[0,1]") == 1
    trials = read_trials(fresh.folder("first"))
    assert sorted(trials.status) == ["done", "done", "done", "failed"]
    assert set(trials[trials.status == "failed"].arm) == {"frozen"}
    # Only its own half is left.
    assert fresh.run("first", "sweep.seeds=[0,1]") == 0
    assert read_plan(fresh.folder("first")).steps_to_run == 4
    assert_ran_as_planned(fresh, "first")
