"""The states that a trial passes, named by where it starts and by what every step does."""

import hashlib
from dataclasses import dataclass

import numpy as np

ROOT_DIGITS, STATE_DIGITS = 16, 32
# What tells a step from others: digest of its settings, learning rate, share of the second prompt in a blend.
RECORD = np.dtype([("settings", "S16"), ("lr", "<f8"), ("blend", "<f8")])
RECORD_BYTES = RECORD.itemsize


@dataclass(frozen=True)
class Chain:
    """The states that a trial passes.

    Attributes:
        root: hash of where training starts: seed, data, initial weights, model, optimiser, numerics.
        initial: hash of the untrained network alone, for what is evaluated before the first step.
        records: 32 bytes per step: digest of its settings, learning rate, blend of prompts.

    Example:
        >>> long, short = Chain("r", "i", bytes(96)), Chain("r", "i", bytes(64))
        >>> long.names([1, 2]) == short.names([1, 2]), long.name(3) == long.name(2)
        (True, False)
    """

    root: str
    initial: str
    records: bytes

    @property
    def num_steps(self) -> int:
        return len(self.records) // RECORD_BYTES

    def name(self, step: int) -> str:
        """Name of the state before step `step`: root, step and hash."""
        return self.names([step])[0]

    def passes(self, name: str) -> bool:
        """Whether a state of this name is on the chain."""
        step = step_of(name)
        return name[:ROOT_DIGITS] == self.root[:ROOT_DIGITS] and step <= self.num_steps and self.name(step) == name

    def names(self, steps: list[int]) -> list[str]:
        """Names of the states before these steps, which must ascend; one pass over the records."""
        digest, place, names = hashlib.sha256(self.root.encode()), 0, []
        for step in steps:
            digest.update(self.records[place * RECORD_BYTES : step * RECORD_BYTES])
            place = step
            names.append(f"{self.root[:ROOT_DIGITS]}/{step:08d}-{digest.hexdigest()[:STATE_DIGITS]}")
        return names


def step_of(name: str) -> int:
    """Step of a state's name.

    Example:
        >>> step_of("0123456789abcdef/00000150-00112233445566778899aabbccddeeff")
        150
    """
    return int(name.partition("/")[2][:8])
