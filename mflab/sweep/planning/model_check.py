"""Before a model is trained: can it be built, and how large are its states?

A shape that no model can have must not wait for a worker to be found. What was found is kept in the outputs folder.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from mflab.config import RootCfg
from mflab.model import ModelCfg, weights_fingerprint
from mflab.model.build import is_preloaded
from mflab.sweep.planning.findings import find_kept, has_findings, kept_finding
from mflab.sweep.planning.model_process import CAN_FORK, ModelProcess, count_parameters
from mflab.sweep.planning.provenance import package_versions
from mflab.sweep.stages.identity import TRAINING_VERSION

# AdamW keeps two moments; the moving average is a fourth copy. Four bytes a number.
_STATE_BYTES_PER_WEIGHT = 16
# Raise when models are checked for more, or have more parameters: what was found before then does not stand.
MODEL_CHECK_VERSION = 1
_KIND = "model"

# Of a trial's config and its number of views: the bytes of a training state, or an error, now or later.
ModelCheck = Callable[[RootCfg, int], Future[int]]


def check_model(config: RootCfg, num_views: int) -> Future[int]:
    """The bytes of a training state, found before this returns.

    Raises:
        MflabError: a setting is impossible or the weights do not fit.
    """
    found = Future[int]()
    found.set_result(_check(config, num_views, count_parameters))
    return found


@contextmanager
def model_checks(outputs: Path, process: ModelProcess | None = None) -> Iterator[ModelCheck]:
    """Checks models in a process beside this one, unless this one has loaded already what that takes.

    All checks are over after it.

    Args:
        outputs: paths.outputs. Where no model was checked before, the process starts at once.
        process: one that may have started already, to be closed here: after the checks, or at once where models were
            checked before and nothing new may be asked.

    Raises:
        MflabError: a setting is impossible or the weights do not fit.
    """
    if is_preloaded() or not CAN_FORK:
        if process is not None:
            process.close()
        yield check_model
        return
    process = process or ModelProcess()
    if has_findings(outputs, _KIND):
        process.close()
        process = ModelProcess()
    elif not process.is_started:
        process.start()
    waiting: list[Future[int]] = []
    # Closed before the thread is waited for: a plan that fails does not wait for the process.
    with ThreadPoolExecutor(1) as pool, closing(process):

        def check(config: RootCfg, num_views: int) -> Future[int]:
            if find_kept(outputs, _KIND, _depends_on(config, num_views)) is not None:
                return check_model(config, num_views)
            if not process.is_started:
                process.start()
            waiting.append(pool.submit(_check, config, num_views, process.count_parameters))
            return waiting[-1]

        yield check
        for one in waiting:
            one.result()


def _check(config: RootCfg, num_views: int, count: Callable[[ModelCfg, int, int], int]) -> int:
    depends_on, outputs = _depends_on(config, num_views), Path(config.paths.outputs)

    def find() -> dict[str, int]:
        return {"parameters": count(config.model, config.data.size, num_views)}

    found = kept_finding(outputs, _KIND, depends_on, find)
    return _STATE_BYTES_PER_WEIGHT * found["parameters"]


def model_settings(config: RootCfg, num_views: int) -> list[Any]:
    """All that a model's check depends on, but for versions of the code."""
    return [config.model, weights_fingerprint(config.model.weights), config.data.size, num_views]


def _depends_on(config: RootCfg, num_views: int) -> list[Any]:
    versions = [MODEL_CHECK_VERSION, TRAINING_VERSION, package_versions()]
    return [*versions, *model_settings(config, num_views)]
