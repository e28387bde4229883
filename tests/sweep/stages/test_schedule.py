"""The schedule, with workers that only pretend to train: nothing is made twice, and nobody waits in vain.

A world is a store that every driver sees. In it a worker does what `Walk` does: it goes on from the nearest stored
state, evaluates, and keeps the states that its assignment names. A step is told by the state that it leads to, so a
step that trials have in common is one step.
"""

import itertools
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mflab.sweep.planning.estimate import count_steps
from mflab.sweep.stages.assignment import Assignment, Task
from mflab.sweep.stages.chain import Chain
from mflab.sweep.stages.forest import make_forest
from mflab.sweep.stages.keys import evaluation_name
from mflab.sweep.stages.known import Known
from mflab.sweep.stages.route import Route
from mflab.sweep.stages.schedule import Claims, Schedule
from mflab.sweep.stages.wanted import Wanted
from mflab.sweep.store import Kind, Leases, LocalFiles, Store


@dataclass(frozen=True)
class Trial:
    """A trial as its root, one letter a step, its wording, and the steps at which it is evaluated beside the last."""

    root: str
    steps: str
    wording: str = "w"
    evaluated: frozenset[int] = frozenset()

    @property
    def route(self) -> Route:
        chain = Chain(self.root * 16, self.root, b"".join(letter.encode() * 32 for letter in self.steps))
        last = chain.num_steps
        steps = sorted({step for step in self.evaluated if step <= last} | {last})
        names = [
            evaluation_name(chain, step, state, self.wording)
            for step, state in zip(steps, chain.names(steps), strict=True)
        ]
        wanted = tuple(Wanted(step, name, int(step == last)) for step, name in zip(steps, names, strict=True))
        return Route(chain, wanted, chain.name(last) if last else "", keeps_weights=True)


TRIAL = st.builds(
    Trial,
    root=st.sampled_from("pq"),
    steps=st.text("ab", max_size=6),
    wording=st.sampled_from("wv"),
    evaluated=st.frozensets(st.integers(0, 6), max_size=3),
)
TRIALS = st.lists(TRIAL, min_size=1, max_size=7)


class Broken(Exception):
    """A step that cannot be trained."""

    def __init__(self, step: int) -> None:
        self.step = step


@dataclass
class World:
    """The store, and what was done to fill it."""

    states: set[str] = field(default_factory=set)
    evaluations: set[str] = field(default_factory=set)
    broken: frozenset[str] = frozenset()
    trained: Counter[str] = field(default_factory=Counter)
    made: Counter[str] = field(default_factory=Counter)

    def known(self) -> Known:
        """What a driver that starts now finds in one listing, and may look up later."""
        known = Known(self.evaluations.__contains__)
        known.evaluations |= self.evaluations
        for name in self.states:
            known.add_state(name)
        return known

    def schedule(self, claims: Claims | None = None) -> Schedule:
        return Schedule(self.known(), self.states.__contains__, claims)

    def fill(self, trials: list[Trial], generator: random.Random) -> None:
        """Puts in some of what earlier sweeps may have left: states and evaluations here and there."""
        share_of_states, share_of_evaluations = generator.choice([0.2, 0.8]), generator.choice([0.0, 0.5, 0.9])
        for trial in trials:
            for name in trial.route.chain.names(list(range(1, len(trial.steps) + 1))):
                self.states |= {name} if generator.random() < share_of_states else set()
            for name in itertools.chain.from_iterable(wanted.names for wanted in trial.route.evaluations):
                self.evaluations |= {name} if generator.random() < share_of_evaluations else set()

    def lacks(self, trial: Trial) -> set[str]:
        """Steps that a trial would train if it ran alone now."""
        route, until = trial.route, len(trial.steps)
        names = route.chain.names(list(range(until + 1)))
        targets = {one.step for one in route.evaluations if not self.evaluations >= set(one.names)}
        targets |= {until} if until and names[until] not in self.states else set()
        starts = {
            target: max(step for step in range(target + 1) if not step or names[step] in self.states)
            for target in targets
        }
        return {names[step] for target, start in starts.items() for step in range(start + 1, target + 1)}

    def work(self, assignment: Assignment) -> Iterator[None]:
        """Does an assignment, with a pause after every step, as `Walk` does.

        Raises:
            Broken: the next step cannot be trained.
        """
        task = assignment.task
        names = task.route.chain.names(list(range(task.until + 1)))
        wanted = [
            one for one in (*task.route.evaluations, *(one for one, _ in assignment.others)) if one.step <= task.until
        ]
        missing = [one for one in wanted if not self.evaluations >= set(one.names)]
        targets = {one.step for one in missing}
        if task.until and names[task.until] not in self.states:
            targets.add(task.until)
        place = -1
        for target in sorted(targets):
            place = max([place, 0, *(step for step in range(1, target + 1) if names[step] in self.states)])
            self._evaluate(missing, place if place == target else -1)
            for step in range(place, target):
                if names[step + 1] in self.broken:
                    raise Broken(step)
                self.trained[names[step + 1]] += 1
                yield
                self._evaluate(missing, step + 1)
                if step + 1 in assignment.keep:
                    self.made[names[step + 1]] += 1
                    self.states.add(names[step + 1])
            place = target

    def _evaluate(self, wanted: list[Wanted], step: int) -> None:
        for one in wanted:
            if one.step == step:
                self.evaluations.update(one.names)


def tasks_of(trials: list[Trial]) -> list[Task]:
    return [
        Task(f"t{order}", trial.route, len(trial.steps), needs_state=bool(trial.steps), rungs=(), order=order)
        for order, trial in enumerate(trials)
    ]


def add(schedule: Schedule, tasks: list[Task]) -> None:
    schedule.add(tasks, make_forest({task.trial_id: task.route.chain for task in tasks}))


@dataclass
class Driver:
    """A schedule with its workers."""

    world: World
    schedule: Schedule
    workers: int
    jobs: dict[str, Iterator[None]] = field(default_factory=dict)
    steps_promised: int = 0
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def is_finished(self) -> bool:
        return not self.schedule.tasks

    def fill(self) -> None:
        """Hands work to idle workers."""
        while len(self.jobs) < self.workers and (assignment := self.schedule.next()) is not None:
            self.jobs[assignment.task.trial_id] = self.world.work(assignment)
            self.steps_promised += assignment.num_steps

    def step(self, trial_id: str) -> None:
        """Lets one worker do one step."""
        try:
            next(self.jobs[trial_id])
        except StopIteration:
            self._end(trial_id)
        except Broken as error:
            for other in self._end(trial_id, error.step):
                self.schedule.remove(other)
                self.failed[other] = trial_id
            self.failed[trial_id] = trial_id

    def _end(self, trial_id: str, failed_step: int | None = None) -> list[str]:
        assignment = self.schedule.running[trial_id]
        behind = self.schedule.behind(assignment, failed_step) if failed_step is not None else []
        self.schedule.ended(trial_id)
        del self.jobs[trial_id]
        return behind


def run(drivers: list[Driver], generator: random.Random) -> None:
    """Lets the workers of all drivers take turns until everything is done."""
    while not all(driver.is_finished for driver in drivers):
        for driver in drivers:
            driver.schedule.retry_foreign()
            driver.fill()
        running = [(driver, trial_id) for driver in drivers for trial_id in driver.jobs]
        assert running, "everybody waits for somebody else"
        for _ in range(generator.randint(1, 4)):
            driver, trial_id = generator.choice(running)
            if trial_id in driver.jobs:
                driver.step(trial_id)


def assert_complete(world: World, trials: list[Trial]) -> None:
    for trial in trials:
        assert not trial.steps or trial.route.leaf in world.states
        assert all(world.evaluations >= set(wanted.names) for wanted in trial.route.evaluations)


SEEDS = st.integers(0, 2**32 - 1)
WORKERS = st.integers(1, 4)


@settings(max_examples=150)
@given(TRIALS, WORKERS, SEEDS)
def test_workers_train_the_steps_of_the_forest_once_whatever_their_speed(trials: list[Trial], workers: int, seed: int):
    world, tasks = World(), tasks_of(trials)
    driver = Driver(world, world.schedule(), workers)
    add(driver.schedule, tasks)
    forest = driver.schedule.forest
    run([driver], random.Random(seed))
    assert_complete(world, trials)
    assert set(world.trained.values()) | set(world.made.values()) <= {1}
    assert world.trained.total() == driver.steps_promised == forest.num_steps
    assert set(world.made) == set(forest.nodes)


@settings(max_examples=150)
@given(TRIALS, WORKERS, SEEDS)
def test_whatever_the_store_has_no_step_is_trained_twice_and_the_plan_knows_how_many(
    trials: list[Trial], workers: int, seed: int
):
    generator = random.Random(seed)
    world, tasks = World(), tasks_of(trials)
    world.fill(trials, generator)
    counting = Schedule(world.known(), lambda name: False)
    add(counting, tasks)
    planned = count_steps(counting)
    driver = Driver(world, world.schedule(), workers)
    add(driver.schedule, tasks)
    run([driver], generator)
    assert_complete(world, trials)
    assert set(world.trained.values()) | set(world.made.values()) <= {1}
    assert world.trained.total() == driver.steps_promised == sum(planned.values())


@settings(max_examples=100)
@given(TRIALS, st.lists(st.integers(0, 6), min_size=1, max_size=3), SEEDS)
def test_tasks_that_come_one_by_one_share_as_if_they_had_come_together(
    trials: list[Trial], stops: list[int], seed: int
):
    generator = random.Random(seed)
    world, tasks = World(), tasks_of(trials)
    driver = Driver(world, world.schedule(), 2)
    for place, task in enumerate(tasks):
        chains = {one.trial_id: one.route.chain for one in tasks[: place + 1]}
        driver.schedule.add([task], make_forest(chains))
        for _ in range(generator.choice(stops)):
            driver.fill()
            if driver.jobs:
                driver.step(generator.choice(list(driver.jobs)))
    run([driver], generator)
    assert_complete(world, trials)
    assert max(world.made.values(), default=0) <= 1


@settings(max_examples=100)
@given(TRIALS, WORKERS)
@example([Trial("q", "aab"), Trial("q", "aba"), Trial("q", "abb"), Trial("p", "aaaa")], 1)
def test_longest_way_to_an_end_goes_first_among_all_that_may_start(trials: list[Trial], workers: int):
    world, tasks = World(), tasks_of(trials)
    driver = Driver(world, world.schedule(), workers)
    add(driver.schedule, tasks)
    forest = driver.schedule.forest

    def height(trial_id: str) -> int:
        left = [name for name in forest.paths[trial_id] if name not in world.states]
        return forest.heights[left[0]] if left else 0

    while not driver.is_finished:
        if len(driver.jobs) == workers:
            driver.step(next(iter(driver.jobs)))
            continue
        making = {name for one in driver.schedule.running.values() for name in one.makes if name not in world.states}
        waiting = [
            task.trial_id
            for task in tasks
            if task.trial_id in driver.schedule.tasks and task.trial_id not in driver.jobs
        ]
        free = [one for one in waiting if making.isdisjoint(forest.paths[one])]
        assignment = driver.schedule.next()
        if assignment is None:
            assert not free
            driver.step(next(iter(driver.jobs)))
            continue
        chosen = assignment.task.trial_id
        assert chosen in free
        assert height(chosen) == max(map(height, free))
        driver.jobs[chosen] = world.work(assignment)


@settings(max_examples=200)
@given(TRIALS, WORKERS, st.booleans(), SEEDS)
def test_failing_step_is_one_cause_for_exactly_those_who_would_train_it(
    trials: list[Trial], workers: int, has_past: bool, seed: int
):
    generator = random.Random(seed)
    tasks = tasks_of(trials)
    steps = {task.trial_id: task.route.chain.names(list(range(1, task.until + 1))) for task in tasks}
    every = sorted({name for names in steps.values() for name in names})
    world = World(broken=frozenset(generator.sample(every, min(len(every), generator.randint(0, 2)))))
    world.fill(trials, generator) if has_past else None
    driver = Driver(world, world.schedule(), workers)
    add(driver.schedule, tasks)
    run([driver], generator)
    by_id = {task.trial_id: trial for task, trial in zip(tasks, trials, strict=True)}
    assert set(driver.failed) == {
        one for one, trial in by_id.items() if not world.broken.isdisjoint(world.lacks(trial))
    }
    assert_complete(world, [trial for one, trial in by_id.items() if one not in driver.failed])
    assert set(world.trained.values()) <= {1}
    # Nobody tried a broken step after someone else had.
    tried = [one for one, cause in driver.failed.items() if one == cause]
    assert len(tried) <= len(world.broken)
    for one, cause in driver.failed.items():
        assert world.broken & set(steps[one]) & set(steps[cause])


class FakeClaims:
    """Claims on names, of which a world has one book."""

    def __init__(self, book: dict[str, "FakeClaims"]) -> None:
        self.book = book

    def acquire(self, name: str) -> bool:
        return self.book.setdefault(name, self) is self

    def release(self, name: str) -> None:
        if name in self.book and self.book[name] is self:
            del self.book[name]


def run_two(trials: list[Trial], others: list[Trial], make_claims: Callable[[], Claims], seed: int) -> World:
    world = World()
    drivers = []
    for own in (trials, others):
        driver = Driver(world, world.schedule(make_claims()), 2)
        add(driver.schedule, tasks_of(own))
        drivers.append(driver)
    run(drivers, random.Random(seed))
    assert_complete(world, [*trials, *others])
    return world


@settings(max_examples=150)
@given(TRIALS, TRIALS, SEEDS)
def test_two_drivers_with_one_store_make_no_state_twice(trials: list[Trial], others: list[Trial], seed: int):
    book: dict[str, FakeClaims] = {}
    world = run_two(trials, others, lambda: FakeClaims(book), seed)
    assert set(world.made.values()) <= {1}
    assert not book


@settings(max_examples=50)
@given(TRIALS, SEEDS)
def test_two_drivers_with_equal_plans_share_every_step(trials: list[Trial], seed: int):
    book: dict[str, FakeClaims] = {}
    world = run_two(trials, trials, lambda: FakeClaims(book), seed)
    forest = make_forest({task.trial_id: task.route.chain for task in tasks_of(trials)})
    assert world.trained.total() == forest.num_steps


@settings(max_examples=8)
@given(TRIALS, TRIALS, SEEDS)
def test_two_drivers_make_no_state_twice_under_real_leases(trials: list[Trial], others: list[Trial], seed: int):
    with tempfile.TemporaryDirectory() as folder:
        files = LocalFiles(Path(folder))
        with Leases(files) as first, Leases(files) as second:
            claims = iter([first, second])
            world = run_two(trials, others, lambda: next(claims), seed)
        assert set(world.made.values()) <= {1}
        assert files.list("leases") == []


def test_claims_that_were_not_all_to_be_had_are_given_back():
    book: dict[str, FakeClaims] = {}
    trials = [Trial("p", "aab"), Trial("p", "aaa")]
    last = trials[0].route.leaf
    book[last] = FakeClaims(book)
    schedule = World().schedule(FakeClaims(book))
    schedule.add(tasks_of(trials)[:1], make_forest({"t0": trials[0].route.chain, "t1": trials[1].route.chain}))
    assert schedule.next() is None
    assert schedule.is_waiting_for_others
    assert list(book) == [last]


def test_waiting_trial_starts_as_soon_as_the_stage_is_stored_not_when_its_maker_ends():
    world, tasks = World(), tasks_of([Trial("p", "aab"), Trial("p", "aaa")])
    driver = Driver(world, world.schedule(), 2)
    add(driver.schedule, tasks)
    driver.fill()
    assert list(driver.jobs) == ["t0"]
    for _ in range(3):
        driver.step("t0")
    assert tasks[0].route.chain.name(2) in world.states
    driver.fill()
    assert list(driver.jobs) == ["t0", "t1"]


def test_maker_that_fails_elsewhere_lets_those_who_wait_go_on():
    trials = [Trial("p", "aab"), Trial("p", "aaa")]
    tasks = tasks_of(trials)
    world = World(broken=frozenset([tasks[0].route.chain.name(3)]))
    driver = Driver(world, world.schedule(), 1)
    add(driver.schedule, tasks)
    run([driver], random.Random(0))
    assert driver.failed == {"t0": "t0"}
    assert_complete(world, trials[1:])


@pytest.mark.parametrize("is_damaged", [True, False])
def test_evaluation_that_another_driver_left_is_looked_up_before_it_is_made_again(is_damaged: bool):
    trial = Trial("p", "aab", evaluated=frozenset([1]))
    world = World()
    driver = Driver(world, world.schedule(), 1)
    add(driver.schedule, tasks_of([trial]))
    other = Driver(world, world.schedule(), 1)
    add(other.schedule, tasks_of([trial]))
    run([other], random.Random(0))
    if is_damaged:
        world.evaluations.remove(trial.route.evaluations[0].name)
    assignment = driver.schedule.next()
    assert assignment is not None
    assert (assignment.num_steps, assignment.makes) == (1 if is_damaged else 0, ())


def test_missing_evaluations_of_a_stored_stage_are_made_in_one_pass():
    trials = [Trial("p", "aaaab", evaluated=frozenset([2])), Trial("p", "aaaaa", "v", evaluated=frozenset([3]))]
    world = World()
    driver = Driver(world, world.schedule(), 2)
    add(driver.schedule, tasks_of(trials))
    run([driver], random.Random(0))
    world.evaluations.clear()
    world.trained.clear()
    counting = Schedule(world.known(), lambda name: False)
    add(counting, tasks_of(trials))
    assert sum(count_steps(counting).values()) == 3
    again = Driver(world, world.schedule(), 2)
    add(again.schedule, tasks_of(trials))
    run([again], random.Random(0))
    assert_complete(world, trials)
    assert world.trained.total() == again.steps_promised == 3


def test_trial_that_starts_behind_a_failing_step_does_not_fail_with_it():
    trials = [Trial("p", "aab", evaluated=frozenset([1])), Trial("p", "aaa")]
    first, common = trials[0].route.chain.names([1, 2])
    world = World(states={common, trials[0].route.leaf}, broken=frozenset([first]))
    driver = Driver(world, world.schedule(), 1)
    add(driver.schedule, tasks_of(trials))
    run([driver], random.Random(0))
    assert driver.failed == {"t0": "t0"}
    assert_complete(world, trials[1:])


def test_store_tells_a_driver_of_evaluations(tmp_path: Path):
    store, route = Store(str(tmp_path)), Trial("p", "aa", evaluated=frozenset([0, 1])).route
    known = Known.of(store)
    for wanted in route.evaluations[:2]:
        store.put_bytes(Kind.evaluation, wanted.name, b"", {})
    assert known.look(route, []) is False
    assert known.look(route, [2]) is True
    assert [one.step for one in route.missing_evaluations(known.evaluations, 2)] == [2]
    assert known.look(route, [2]) is False
