"""The Ray actor that does one job after another in one process."""

import gc
import logging
import signal
import warnings
from typing import Any

from ray import tune

from mflab.model.build import preload
from mflab.sweep.running.jobs import Job, run_job
from mflab.sweep.running.meeting import Meeting
from mflab.sweep.running.searchers import JOB, MEET, OUTCOME
from mflab.sweep.stages.opening import InputCache

# Outlives the actor's jobs: datasets and validation sets are opened once per process.
_CACHE = InputCache()


class JobActor(tune.Trainable):
    """Does a whole job in one step, so that Tune has nothing to schedule, checkpoint or log in between."""

    def setup(self, config: dict[str, Any]) -> None:
        # Ctrl-C reaches every process of the terminal; the driver decides what it means.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        logging.getLogger("ray").setLevel(logging.ERROR)
        warnings.filterwarnings("ignore", category=UserWarning, module=r"torchvision")
        preload()
        # What the imports left lives as long as the process; frozen, it costs later collections nothing.
        gc.collect()
        gc.freeze()
        self.task: Job | Meeting = config[JOB] if JOB in config else config[MEET]

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Takes the next job; always possible."""
        self.task = new_config[JOB] if JOB in new_config else new_config[MEET]
        return True

    def step(self) -> dict[str, Any]:
        if isinstance(self.task, Meeting):
            self.task.attend()
            return {"done": True}
        return {OUTCOME: run_job(self.task, _CACHE), "done": True}
