"""The Ray actor that does one job after another in one process."""

import gc
import logging
import signal
import warnings
from typing import Any

from ray import tune

from mflab.sweep.inputs import InputCache
from mflab.sweep.jobs import Job, run_job
from mflab.sweep.searchers import JOB, OUTCOME

# Outlives the actor's jobs: datasets and validation sets are opened once per process.
_CACHE = InputCache()


class JobActor(tune.Trainable):
    """Does a whole job in one step, so that Tune has nothing to schedule, checkpoint or log in between."""

    def setup(self, config: dict[str, Any]) -> None:
        # Ctrl-C reaches every process of the terminal; the driver decides what it means.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        logging.getLogger("ray").setLevel(logging.ERROR)
        warnings.filterwarnings("ignore", category=UserWarning, module=r"torchvision")
        # What the imports left lives as long as the process; frozen, it costs later collections nothing.
        gc.collect()
        gc.freeze()
        self.job: Job = config[JOB]

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Takes the next job; always possible."""
        self.job = new_config[JOB]
        return True

    def step(self) -> dict[str, Any]:
        return {OUTCOME: run_job(self.job, _CACHE), "done": True}
