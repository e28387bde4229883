"""Which trial runs next: the critical path first, and none that waits for a stage which is being made."""

import heapq
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from mflab.sweep.forest import Forest, make_forest, plan_legs
from mflab.sweep.keys import step_of
from mflab.sweep.known import Known
from mflab.sweep.route import Route, Wanted


@dataclass(frozen=True)
class Task:
    """A trial to bring to a step.

    Attributes:
        trial_id: the trial.
        route: what it needs.
        until: step to reach now.
        needs_state: whether the state at that step is needed itself.
        rungs: steps whose states are kept beside those that the forest keeps.
        order: smaller is earlier among equals.
    """

    trial_id: str
    route: Route
    until: int
    needs_state: bool
    rungs: tuple[int, ...]
    order: int


@dataclass(frozen=True)
class Assignment:
    """A task with what it will make.

    Attributes:
        task: what to do.
        num_steps: to be trained.
        makes: nodes of the forest that it makes, in order.
        keep: steps whose states are kept.
        others: evaluations on the way that other trials need, each with the trial whose config says how.
    """

    task: Task
    num_steps: int
    makes: tuple[str, ...]
    keep: tuple[int, ...]
    others: tuple[tuple[Wanted, str], ...]


@runtime_checkable
class Claims(Protocol):
    """Leases on stages, shared by the drivers of a store; see `mflab.sweep.store.leases.Leases`."""

    def acquire(self, name: str) -> bool: ...

    def release(self, name: str) -> None: ...


class Schedule:
    """Hands out tasks, each only once the stages that it builds on are stored or its own to make.

    Args:
        known: what the store has; kept up to date here.
        is_stored: asks the store about one state.
        claims: leases, or None where nobody else can be at work.
    """

    def __init__(self, known: Known, is_stored: Callable[[str], bool], claims: Claims | None = None) -> None:
        self.known, self.is_stored, self.claims = known, is_stored, claims
        self.forest: Forest = make_forest({})
        self.running: dict[str, Assignment] = {}
        self.tasks: dict[str, Task] = {}
        self._making: dict[str, str] = {}
        self._ready: list[tuple[tuple[int, ...], int, str]] = []
        self._held: dict[str, list[str]] = defaultdict(list)
        self._foreign: list[str] = []
        self._weights: dict[str, int] = {}
        self._tickets = itertools.count()

    @property
    def num_waiting(self) -> int:
        """Tasks not handed out yet."""
        return len(self.tasks) - len(self.running)

    @property
    def is_waiting_for_others(self) -> bool:
        """Whether nothing runs here and whatever is left waits for another driver."""
        return not self.running and not self._ready and bool(self._foreign)

    def add(self, tasks: Iterable[Task], routes: Mapping[str, Route]) -> None:
        """Takes tasks; the forest is made anew.

        Args:
            tasks: to be done.
            routes: of all trials that shape the forest, over or not: where one leaves another, a state is kept.
        """
        added = list(tasks)
        self.tasks |= {task.trial_id: task for task in added}
        self.forest = make_forest({trial: route.chain for trial, route in routes.items()})
        self._weights = _weights(self.forest)
        for task in added:
            self._push(task.trial_id)

    def remove(self, trial_id: str) -> None:
        """Forgets a task that is not running."""
        self.tasks.pop(trial_id)

    def next(self) -> Assignment | None:
        """The next assignment, None while every task left is held back."""
        self._look()
        while self._ready:
            _, _, trial_id = heapq.heappop(self._ready)
            if trial_id not in self.tasks or trial_id in self.running:
                continue
            assignment = self._assign(self.tasks[trial_id])
            blocker = next((name for name in assignment.makes if name in self._making), None)
            if blocker is not None:
                self._held[blocker].append(trial_id)
                continue
            if not self._claim(assignment):
                self._foreign.append(trial_id)
                continue
            if self._update(assignment.makes):
                # Another driver has just stored one of them.
                self._release(assignment.makes)
                self._push(trial_id)
                continue
            self._making |= dict.fromkeys(assignment.makes, trial_id)
            self.running[trial_id] = assignment
            return assignment
        return None

    def ended(self, trial_id: str) -> Assignment:
        """Ends a running task; whoever waited for its stages may go."""
        assignment = self.running[trial_id]
        self._free(assignment.makes)
        self._release(assignment.makes)
        del self.running[trial_id], self.tasks[trial_id]
        return assignment

    def behind(self, assignment: Assignment, step: int) -> list[str]:
        """Tasks that wait, and would train the same step as an assignment that has ended."""
        name = next((name for name in assignment.makes if step_of(name) > step), None)
        if name is None:
            return []
        waiting = (task for trial, task in self.tasks.items() if trial not in self.running)
        return [one.trial_id for one in waiting if one.route.chain.passes(name)]

    def retry_foreign(self) -> None:
        """Looks again at tasks that wait for another driver."""
        waiting, self._foreign = self._foreign, []
        for trial_id in waiting:
            if trial_id in self.tasks:
                self._update(self.forest.paths[trial_id])
                self._push(trial_id)

    def _look(self) -> None:
        """Releases who waits for states that running tasks have stored meanwhile."""
        self._free([name for name in self._held if name in self._making and self.is_stored(name)])

    def _free(self, names: Iterable[str]) -> None:
        for name in names:
            maker = self._making.pop(name, None)
            if self.is_stored(name):
                self.known.add_state(name)
                if maker is not None:
                    self._add_evaluations(self.running[maker], step_of(name))
            for trial_id in self._held.pop(name, ()):
                self._push(trial_id)

    def _add_evaluations(self, assignment: Assignment, until: int) -> None:
        """A state is stored after everything that was to be evaluated on the way to it."""
        wanted = [*assignment.task.route.evaluations, *(other for other, _ in assignment.others)]
        for one in wanted:
            if one.step <= until:
                self.known.add_evaluation(one)

    def _update(self, names: Iterable[str]) -> bool:
        """Whether the store has states that were not known; they are now."""
        found = [name for name in names if name not in self.known.states and self.is_stored(name)]
        for name in found:
            self.known.add_state(name)
        return bool(found)

    def _push(self, trial_id: str) -> None:
        if trial_id not in self.tasks:
            return
        task = self.tasks[trial_id]
        missing = next((name for name in self.forest.paths[trial_id] if name not in self.known.states), None)
        size = (self.forest.heights[missing], self._weights[missing]) if missing is not None else (0, 0)
        heapq.heappush(self._ready, ((-size[0], -size[1], task.order), next(self._tickets), trial_id))

    def _assign(self, task: Task) -> Assignment:
        route, path = task.route, [self.forest.nodes[name] for name in self.forest.paths[task.trial_id]]
        targets = self.known.targets(route, task.until, task.needs_state)
        legs = plan_legs(self.known.stored_steps(route.chain), targets) if targets else []
        ranges = [(leg.start, leg.end) for leg in legs if leg.end > leg.start]
        nodes = [node for node in path if any(node.start < end and start < node.end for start, end in ranges)]
        ends = {node.end for node in path if node.end <= task.until}
        keep = tuple(sorted(ends | {step for step in task.rungs if step <= task.until} | {task.until} - {0}))
        others: dict[str, tuple[Wanted, str]] = {}
        own = {wanted.name for wanted in route.evaluations}
        for node in nodes:
            for trial in node.trials:
                if trial == task.trial_id or trial not in self.tasks:
                    continue
                other = self.tasks[trial]
                for wanted in other.route.missing_evaluations(self.known.evaluations, min(other.until, node.end)):
                    if wanted.step > node.start and wanted.name not in own:
                        others.setdefault(wanted.name, (wanted, trial))
        made = [step for step in keep if any(start < step <= end for start, end in ranges)]
        makes = tuple(route.chain.names(made))
        return Assignment(task, sum(end - start for start, end in ranges), makes, keep, tuple(others.values()))

    def _claim(self, assignment: Assignment) -> bool:
        if self.claims is None:
            return True
        claimed: list[str] = []
        for name in assignment.makes:
            if not self.claims.acquire(name):
                self._release(claimed)
                return False
            claimed.append(name)
        return True

    def _release(self, names: Iterable[str]) -> None:
        if self.claims is not None:
            for name in names:
                self.claims.release(name)


def _weights(forest: Forest) -> dict[str, int]:
    """Distinct steps from a node's start to all leaves: how much waits behind it."""
    weights: dict[str, int] = defaultdict(int)
    for node in reversed(list(forest.nodes.values())):
        weights[node.name] += node.num_steps
        weights[node.parent] += weights[node.name]
    return weights


def count_steps(schedule: Schedule) -> dict[str, int]:
    """Steps that each task of a schedule would train, by running it without training."""
    steps: dict[str, int] = {}
    schedule.is_stored = schedule.known.states.__contains__
    while (assignment := schedule.next()) is not None:
        task = assignment.task
        steps[task.trial_id] = assignment.num_steps
        for name in assignment.makes:
            schedule.known.add_state(name)
        schedule.ended(task.trial_id)
    return steps
