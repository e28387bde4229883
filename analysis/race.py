"""The course of a race, replayed from the recorded responses by the rule that the plan fixed."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from analysis.intervals import Interval, t_interval
from analysis.load import Sweep
from mflab.design.racing import Drop, race_decision
from mflab.results import Direction


@dataclass(frozen=True)
class Look:
    """One comparison of all arms still in the race with their leader.

    Attributes:
        num_seeds: seeds that were complete.
        comparisons: every arm but the leader, with its p value, by p; none if too few arms had numbers.
        absent: arms that lacked a number and were not compared.
    """

    num_seeds: int
    comparisons: tuple[Drop, ...]
    absent: tuple[str, ...]


@dataclass(frozen=True)
class Race:
    """A race as far as it went.

    Attributes:
        looks: those whose seeds were complete.
        drops: arm -> the look that dropped it, and how.
        survivors: arms still in it.
        values: arm -> seed -> declared response of its done trials.
        unexplained: arms that the records stopped and the rule, replayed, does not.
    """

    looks: tuple[Look, ...]
    drops: dict[str, tuple[int, Drop]]
    survivors: tuple[str, ...]
    values: dict[str, dict[int, float]]
    unexplained: tuple[str, ...]

    @property
    def common_seeds(self) -> tuple[int, ...]:
        """Seeds that all survivors have done."""
        own = [set(self.values[arm]) for arm in self.survivors if arm in self.values]
        return tuple(sorted(set.intersection(*own))) if len(own) == len(self.survivors) and own else ()


@dataclass(frozen=True)
class Standing:
    """A surviving arm on the seeds that all survivors share: its mean, and how far it is from the best mean."""

    arm: str
    mean: Interval
    difference: Interval | None


def replay_race(sweep: Sweep) -> Race | None:
    """The looks of a race and what they decided; None for a sweep without one."""
    rule = sweep.plan.race
    if rule is None:
        return None
    values = _values(sweep)
    arms = [arm.label for arm in sweep.arms]
    ended = _ended(sweep)
    looks: list[Look] = []
    drops: dict[str, tuple[int, Drop]] = {}
    for num_seeds in rule["looks"]:
        seeds = sweep.plan.design.seeds[:num_seeds]
        alive = [arm for arm in arms if arm not in drops]
        if not all((arm, seed) in ended for arm in alive for seed in seeds):
            break
        look = _look(sweep, {arm: values.get(arm, {}) for arm in alive}, num_seeds)
        looks.append(look)
        beaten = {one.arm: one for one in look.comparisons if one.p < one.threshold}
        drops |= {arm: (num_seeds, beaten[arm]) for arm in alive if arm in beaten}
    stopped = {sweep.label_of(sweep.records[one].cell) for one in sweep.stopped_by_rule}
    survivors = tuple(arm.label for arm in sweep.arms if arm.label not in drops)
    unexplained = tuple(arm for arm in survivors if arm in stopped)
    return Race(tuple(looks), drops, survivors, values, unexplained)


def _look(sweep: Sweep, values: Mapping[str, Mapping[int, float]], num_seeds: int) -> Look:
    seeds = sweep.plan.design.seeds[:num_seeds]
    whole = {arm: {s: own[s] for s in seeds} for arm, own in values.items() if all(s in own for s in seeds)}
    direction = sweep.plan.response.direction.name
    rule = sweep.plan.race
    assert rule is not None
    # A threshold that no p value reaches: the rule returns every comparison, also of arms that stay.
    found = race_decision(whole, direction, num_seeds, rule["looks"], math.inf, rule["arms"])
    compared = [replace(one, threshold=rule["threshold"]) for one in found]
    absent = tuple(arm for arm in values if arm not in whole)
    return Look(num_seeds, tuple(sorted(compared, key=lambda one: one.p)), absent)


def _values(sweep: Sweep) -> dict[str, dict[int, float]]:
    values: dict[str, dict[int, float]] = {}
    for arm, seed, value in zip(*(sweep.done[name] for name in ("arm", "seed", sweep.response)), strict=True):
        if math.isfinite(value):
            values.setdefault(str(arm), {})[int(seed)] = float(value)
    return values


def _ended(sweep: Sweep) -> set[tuple[str, int]]:
    """Arms and seeds whose trials ended with or without a number; a stopped one did not."""
    ids = sweep.trials[sweep.trials["status"].isin(["done", "failed", "diverged"])]["trial_id"]
    return {(sweep.label_of(sweep.records[one].cell), sweep.records[one].seed) for one in ids}


def unselected_seeds(sweep: Sweep, race: Race | None) -> tuple[int, ...]:
    """Seeds that every arm was to have: all, or those before the first look that dropped an arm."""
    seeds = sweep.plan.design.seeds
    if race is None or not race.drops:
        return seeds
    return seeds[: min(num_seeds for num_seeds, _ in race.drops.values())]


def standings(sweep: Sweep, race: Race) -> list[Standing]:
    """The survivors, best first, with paired differences to the best on the seeds that all of them share."""
    seeds = race.common_seeds
    if not seeds:
        return []
    own = {arm: [race.values[arm][seed] for seed in seeds] for arm in race.survivors}
    sign = -1.0 if sweep.plan.response.direction is Direction.higher else 1.0
    order = sorted(own, key=lambda arm: sign * math.fsum(own[arm]))
    best = own[order[0]]
    return [
        Standing(
            arm,
            t_interval(own[arm]),
            t_interval([value - top for value, top in zip(own[arm], best, strict=True)]) if place else None,
        )
        for place, arm in enumerate(order)
    ]
