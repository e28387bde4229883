"""A pass criterion: a claim with its number and its limit."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Criterion:
    """One claim, its number and its limit.

    Attributes:
        key: unique name.
        claim: what must hold.
        value: what was measured; None where the ladder has no such case.
        limit: bound on it.
        is_minimum: whether the value must be at least the limit; else at most.
        scenes: number of measurements behind it.
        by_kind: the same number for each kind of scene, grey ones apart.
        failing: scenes that miss it by themselves, where that can be said.
        is_judged: the limit is meant for sets like these; else the number is shown without a verdict.
    """

    key: str
    claim: str
    value: float | None
    limit: float
    is_minimum: bool
    scenes: int
    by_kind: dict[str, float | None]
    failing: tuple[str, ...] = ()
    is_judged: bool = True

    @property
    def passed(self) -> bool | None:
        """Whether it holds; None where it was not measured or cannot be judged."""
        if self.value is None or not self.is_judged:
            return None
        return self.value >= self.limit if self.is_minimum else self.value <= self.limit
