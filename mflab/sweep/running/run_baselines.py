"""Makes baselines in a worker: predictions that need no training."""

from pathlib import Path

from mflab.config import RootCfg
from mflab.errors import MflabError
from mflab.model.weights import NO_WEIGHTS
from mflab.results import MetricRow, Status
from mflab.sweep.stages.artifacts import responses, write_baseline_rows, write_ground_truth
from mflab.sweep.stages.inputs import open_inputs
from mflab.sweep.stages.opening import InputCache, open_prompts
from mflab.sweep.stages.outcome import TrialOutcome
from mflab.sweep.stages.process_state import peak_memory_gb, prepare_process
from mflab.train import Diverged


def run_reference(config: RootCfg, dataset: str, path: Path, sweep: Path, cache: InputCache) -> TrialOutcome:
    """Writes white image, copied input and the true views of a validation set."""
    prepare_process(config.train.threads, config.seed)
    validator = open_inputs(config, cache).validator
    num_images = config.validation.num_images
    write_ground_truth(sweep, dataset, validator.names[:num_images], validator.images[:num_images])
    return _written(path, dataset, validator.baselines())


def run_mean_image(config: RootCfg, dataset: str, name: str, path: Path, cache: InputCache) -> TrialOutcome:
    """Writes what the mean of the training scenes scores in every view: a model that ignores its input."""
    prepare_process(config.train.threads, config.seed)
    inputs = open_inputs(config, cache)
    return _written(path, dataset, {name: inputs.validator.mean_image(inputs.sources.train)})


def run_pretrained(config: RootCfg, dataset: str, name: str, path: Path, cache: InputCache) -> TrialOutcome:
    """Writes what the initial weights do with the wording they know.

    Raises:
        MflabError: no weights, no embedding of that wording, or weights whose predictions are no numbers.
    """
    if config.model.weights == NO_WEIGHTS:
        raise MflabError(
            "The pretrained baseline needs initial weights, but got model.weights=none; set model.weights."
        )
    prepare_process(config.train.threads, config.seed)
    inputs = open_inputs(config, cache)
    source = inputs.sources.val
    prompts = open_prompts(config, config.train.base_style, source, cache).tensor.float()
    num_views = len(source.view_names)
    built = cache.shelf.take(config, num_views)
    try:
        found = inputs.validator.validate(built.model, prompts, 0, with_sets=True)
    except Diverged:
        raise MflabError(
            f"Initial weights must give finite predictions, but model.weights={config.model.weights} gave NaN; set "
            "model.weights to other weights."
        ) from None
    cache.shelf.put_back(built)
    return _written(path, dataset, {name: [*found.rows, *found.set_rows]})


def _written(path: Path, dataset: str, rows: dict[str, list[MetricRow]]) -> TrialOutcome:
    write_baseline_rows(path, dataset, rows)
    columns = {f"{name}:{column}": value for name, group in rows.items() for column, value in responses(group).items()}
    return TrialOutcome(Status.done, responses=columns, peak_memory_gb=peak_memory_gb())
