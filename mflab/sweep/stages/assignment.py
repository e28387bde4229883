"""What a task will train and make, given what the store has."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from mflab.sweep.stages.forest import Forest, Node, make_forest, plan_legs
from mflab.sweep.stages.known import Known
from mflab.sweep.stages.route import Route
from mflab.sweep.stages.wanted import Wanted


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
        makes: states that it makes, in order.
        claims: what nobody else may pass meanwhile: those states, and stages that it trains again in part, for
            evaluations alone.
        keep: steps whose states are kept.
        others: evaluations on the way that other trials need, each with the trial whose config says how.
    """

    task: Task
    num_steps: int
    makes: tuple[str, ...]
    claims: tuple[str, ...]
    keep: tuple[int, ...]
    others: tuple[tuple[Wanted, str], ...]


class Way(NamedTuple):
    """Steps [start, end) that a task trains, and the stages that they lie in."""

    ranges: list[tuple[int, int]]
    nodes: list[Node]

    @property
    def num_steps(self) -> int:
        return sum(end - start for start, end in self.ranges)

    def trains(self, step: int) -> bool:
        """Whether the state before a step is reached by training."""
        return any(start < step <= end for start, end in self.ranges)


class Assigner:
    """Turns tasks into assignments.

    Args:
        known: what the store has.
        tasks: all that are not over, by trial.
    """

    def __init__(self, known: Known, tasks: Mapping[str, Task]) -> None:
        self.known, self.tasks = known, tasks
        self.forest: Forest = make_forest({})

    def way(self, task: Task, more: Iterable[int] = ()) -> Way:
        """What a task trains to get everything it misses, and to pass some more steps."""
        targets = sorted({*self.known.targets(task.route, task.until, task.needs_state), *more})
        legs = plan_legs(self.known.stored_steps(task.route.chain), targets) if targets else []
        ranges = [(leg.start, leg.end) for leg in legs if leg.end > leg.start]
        path = [self.forest.nodes[name] for name in self.forest.paths[task.trial_id]]
        nodes = [node for node in path if any(node.start < end and start < node.end for start, end in ranges)]
        return Way(ranges, nodes)

    def assign(self, task: Task, way: Way) -> Assignment:
        others = self._others(task, way)
        if others:
            # A stage that is trained again for the sake of one evaluation gives the others too.
            way = self.way(task, [wanted.step for wanted, _ in others])
        chain = task.route.chain
        path = [self.forest.nodes[name] for name in self.forest.paths[task.trial_id]]
        ends = {node.end for node in path if node.end <= task.until}
        keep = tuple(sorted((ends | {step for step in task.rungs if step <= task.until} | {task.until}) - {0}))
        makes = tuple(chain.names([step for step in keep if way.trains(step)]))
        claims = tuple(dict.fromkeys([*(node.name for node in way.nodes), *makes]))
        return Assignment(task, way.num_steps, makes, claims, keep, others)

    def _others(self, task: Task, way: Way) -> tuple[tuple[Wanted, str], ...]:
        """Evaluations that others miss in the stages that a task trains, from where it enters them."""
        own = {wanted.name for wanted in task.route.evaluations}
        others: dict[str, tuple[Wanted, str]] = {}
        for node in way.nodes:
            entered = min(max(start, node.start) for start, end in way.ranges if node.start < end and start < node.end)
            for trial in node.trials:
                if trial == task.trial_id or trial not in self.tasks:
                    continue
                other = self.tasks[trial]
                until = min(other.until, node.end, task.until)
                for wanted in other.route.missing_evaluations(self.known.evaluations, until):
                    if wanted.step > entered and wanted.name not in own:
                        others.setdefault(wanted.name, (wanted, trial))
        return tuple(others.values())
