"""The Ray actor that does one job after another in one process."""

import gc
import logging
import signal
import warnings
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from ray import tune

from mflab.model.build import preload
from mflab.sweep.running.jobs import Job, run_job
from mflab.sweep.running.meeting import Meeting
from mflab.sweep.running.searchers import JOB, MEET, OUTCOME
from mflab.sweep.stages.opening import InputCache
from mflab.sweep.stages.outcome import TrialOutcome

# Outlives the actor's jobs: datasets and validation sets are opened once per process.
_CACHE = InputCache()


class JobActor(tune.Trainable):
    """Does a whole job in one step, so that Tune has nothing to schedule, checkpoint or log in between.

    A job begins as soon as the actor is given it, since Tune asks for the step only after it has heard that it was.
    What an actor starts with begins with the step: an actor that has only started may be given up for another. A worker
    that dies before Tune has heard of the new job fails that job, which Tune retries only once it runs.
    """

    def setup(self, config: dict[str, Any]) -> None:
        # Ctrl-C reaches every process of the terminal; the driver decides what it means.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        logging.getLogger("ray").setLevel(logging.ERROR)
        warnings.filterwarnings("ignore", category=UserWarning, module=r"torchvision")
        preload()
        # What the imports left lives as long as the process; frozen, it costs later collections nothing.
        gc.collect()
        gc.freeze()
        # One thread for all jobs: libraries keep memory and settings by thread.
        self._pool = ThreadPoolExecutor(1)
        self._task: Job | Meeting = _task_of(config)
        self._begun: Future[TrialOutcome] | None = None

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Takes the next job; always possible."""
        self._task = _task_of(new_config)
        self._begun = None if isinstance(self._task, Meeting) else self._begin(self._task)
        return True

    def step(self) -> dict[str, Any]:
        if isinstance(self._task, Meeting):
            self._task.attend()
            return {"done": True}
        begun = self._begun or self._begin(self._task)
        return {OUTCOME: begun.result(), "done": True}

    def _begin(self, job: Job) -> Future[TrialOutcome]:
        return self._pool.submit(run_job, job, _CACHE)


def _task_of(config: dict[str, Any]) -> Job | Meeting:
    return config[JOB] if JOB in config else config[MEET]
