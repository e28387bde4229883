"""The scheduler that Ray Tune gets: whatever was handed out runs, and no worker is given up before the end."""

from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler


class KeepWorkers(FIFOScheduler):
    """Runs every trial that was handed out, and keeps every idle actor.

    Tune keeps one idle actor and stops the others: with two trials that end together, or a worker that has to wait for
    a stage, the next trial would pay seconds for a new process, or wait for the only one left. And it looks through all
    trials that ever were for the next one.

    Args:
        workers: actors to keep.
    """

    def __init__(self, workers: int) -> None:
        super().__init__()
        self._workers = workers
        self._is_set = False

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """A pending trial; there are never more than workers."""
        live = tune_controller.get_live_trials()
        if live and not self._is_set:
            request = next(iter(live)).placement_group_factory
            # No public setting reaches the cache of actors.
            tune_controller._tune_controller._actor_cache.increase_max(request, self._workers)
            self._is_set = True
        return next((one for one in live if one.status == Trial.PENDING), None)
