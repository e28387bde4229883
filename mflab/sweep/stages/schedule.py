"""Which trial runs next: the critical path first, and none that waits for a stage which is being made."""

import heapq
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Protocol, runtime_checkable

from mflab.sweep.stages.assignment import Assigner, Assignment, Task, Way
from mflab.sweep.stages.chain import step_of
from mflab.sweep.stages.forest import Forest
from mflab.sweep.stages.known import Known


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
        self.running: dict[str, Assignment] = {}
        self.num_added = 0
        self.tasks: dict[str, Task] = {}
        self._assigner = Assigner(known, self.tasks)
        self._making: dict[str, str] = {}
        self._ready: list[tuple[tuple[int, ...], int, str]] = []
        self._held: dict[str, list[str]] = defaultdict(list)
        self._foreign: list[str] = []
        self._weights: dict[str, int] = {}
        self._tickets = itertools.count()

    @property
    def forest(self) -> Forest:
        """Of all trials, over or not."""
        return self._assigner.forest

    @property
    def num_waiting(self) -> int:
        """Tasks not handed out yet."""
        return len(self.tasks) - len(self.running)

    @property
    def is_waiting_for_others(self) -> bool:
        """Whether nothing runs here and whatever is left waits for another driver."""
        return not self.running and not self._ready and bool(self._foreign)

    def add(self, tasks: Iterable[Task], forest: Forest) -> None:
        """Takes tasks.

        Args:
            tasks: to be done.
            forest: of all trials, over or not: where one leaves another, a state is kept.
        """
        added = list(tasks)
        self.num_added += len(added)
        self.tasks.update({task.trial_id: task for task in added})
        self._assigner.forest = forest
        self._weights = self.forest.weights()
        waiting, self._ready = self._ready, []
        for trial_id in [*(one for _, _, one in waiting), *(task.trial_id for task in added)]:
            self._push(trial_id)

    def remove(self, trial_id: str) -> None:
        """Forgets a task that is not running."""
        self.tasks.pop(trial_id)

    def next(self) -> Assignment | None:
        """The next assignment, None while every task left is held back."""
        self._look()
        while self._ready:
            priority, _, trial_id = heapq.heappop(self._ready)
            if trial_id not in self.tasks or trial_id in self.running:
                continue
            task = self.tasks[trial_id]
            if priority != self._priority(task):
                # Since it came here, others made some of what it needs.
                self._push(trial_id)
                continue
            way = self._assigner.way(task)
            blocker = self._blocker(task, way)
            if blocker is not None:
                self._held[blocker].append(trial_id)
                continue
            if self.known.look(task.route, [node.end for node in way.nodes if node.name in self.known.states]):
                way = self._assigner.way(task)
            assignment = self._assigner.assign(task, way)
            if not self._claim(assignment):
                self._foreign.append(trial_id)
                continue
            if self._update(assignment.makes):
                # Another driver has just stored one of them.
                self._release(one for one in assignment.claims if one not in self._making)
                self._push(trial_id)
                continue
            self._making |= {name: trial_id for name in assignment.claims if name not in self._making}
            self.running[trial_id] = assignment
            return assignment
        return None

    def _blocker(self, task: Task, way: Way) -> str | None:
        """A state on a task's way that a running task will store."""
        claimed = next((node.name for node in way.nodes if node.name in self._making), None)
        if claimed is not None or not way.ranges:
            return claimed
        # The forest may have grown since others were handed out, and have other nodes now.
        first = way.ranges[0][0]
        made = (name for one in self.running.values() for name in reversed(one.makes) if step_of(name) > first)
        return next((name for name in made if name in self._making and task.route.chain.passes(name)), None)

    def ended(self, trial_id: str) -> Assignment:
        """Ends a running task; whoever waited for its stages may go."""
        assignment = self.running[trial_id]
        # Another running task may claim a stage of the same name, from a forest that has grown since.
        own = [name for name in assignment.claims if name not in self._making or self._making[name] == trial_id]
        self._free(own)
        self._release(own)
        del self.running[trial_id], self.tasks[trial_id]
        return assignment

    def behind(self, assignment: Assignment, step: int) -> list[str]:
        """Tasks that wait, and would train the same step as an assignment that has ended."""
        chain = assignment.task.route.chain
        # Of a worker that died, the last step that it told of is known, not the last that it did.
        failed = 1 + max([step, *(step_of(name) for name in assignment.makes if self.is_stored(name))])
        if failed > chain.num_steps:
            return []
        name = chain.name(failed)
        waiting = [task for trial, task in self.tasks.items() if trial not in self.running]
        passing = [task for task in waiting if task.route.chain.passes(name)]
        return [task.trial_id for task in passing if self._assigner.way(task).trains(failed)]

    def foreign_stages(self) -> list[str]:
        """Stages that keep tasks waiting for another driver."""
        waiting = [self.tasks[one] for one in self._foreign if one in self.tasks]
        assignments = [self._assigner.assign(task, self._assigner.way(task)) for task in waiting]
        return list(dict.fromkeys(name for one in assignments for name in one.claims))

    def retry_foreign(self) -> None:
        """Looks again at tasks that wait for another driver."""
        waiting, self._foreign = self._foreign, []
        for trial_id in waiting:
            if trial_id in self.tasks:
                self._update(self.forest.paths[trial_id])
                self._push(trial_id)

    def _look(self) -> None:
        """Releases who waits for states that running tasks have stored meanwhile."""
        self._free([name for name in self._held if name in self._maker(name).makes and self.is_stored(name)])

    def _maker(self, name: str) -> Assignment:
        return self.running[self._making[name]]

    def _free(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self._making:
                continue
            maker = self._maker(name)
            if name in maker.makes and self.is_stored(name):
                self.known.add_state(name)
                self._add_evaluations(maker, step_of(name))
            del self._making[name]
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
        if trial_id in self.tasks:
            heapq.heappush(self._ready, (self._priority(self.tasks[trial_id]), next(self._tickets), trial_id))

    def _priority(self, task: Task) -> tuple[int, ...]:
        """Smaller goes first: the longest way to an end, then what most waits for, then the plan's order."""
        missing = next((name for name in self.forest.paths[task.trial_id] if name not in self.known.states), None)
        return (-self.forest.heights[missing], -self._weights[missing], task.order) if missing else (0, 0, task.order)

    def _claim(self, assignment: Assignment) -> bool:
        if self.claims is None:
            return True
        for place, name in enumerate(assignment.claims):
            if not self.claims.acquire(name):
                self._release(one for one in assignment.claims[:place] if one not in self._making)
                return False
        return True

    def _release(self, names: Iterable[str]) -> None:
        if self.claims is not None:
            for name in names:
                self.claims.release(name)
