"""What must hold of a plan as a whole: effects that can be told apart, a store that holds a state, workers on cores."""

import os
from collections.abc import Sequence

from mflab.config import RootCfg
from mflab.design import Audit
from mflab.errors import MflabError


def check_audit(audit: Audit, allow_confounded: bool) -> None:
    """Refuses a design whose main effects cannot be told apart.

    Raises:
        MflabError: with the audit's problems and the cells that would mend them.
    """
    if not audit.estimable and not allow_confounded:
        raise MflabError(
            f"A design must let its effects be told apart, but: {' '.join(audit.problems)} Change sweep.factors or "
            "sweep.design, or set sweep.allow_confounded=true to run it all the same."
        )


def check_budget(config: RootCfg, state_bytes: int) -> None:
    """Refuses a store that could not hold one state.

    Raises:
        MflabError: with the size of a state, 10^9 bytes.
    """
    budget = config.store.budget_gb
    if 0 < budget * 1e9 < state_bytes:
        raise MflabError(
            f"A store must hold at least one state, {state_bytes / 1e9:.3g} GB, but got budget_gb={budget:g}; set "
            "store.budget_gb."
        )


def num_workers(configs: Sequence[RootCfg], asked: int) -> int:
    """Trials at a time: as asked, or as many as the cores hold.

    Raises:
        MflabError: a negative number.
    """
    if asked < 0:
        raise MflabError(f"workers must be at least 0, but got workers={asked}; set sweep.workers.")
    cores = len(os.sched_getaffinity(0))
    return asked or max(1, cores // max(config.train.threads for config in configs))
