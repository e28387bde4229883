"""The treatments of a sweep as plain Ray Tune runs them: a function trainable, grid search, one process per trial.

This is what one writes after reading Ray Tune's documentation, with the care that its users learn: pinned threads, no
dashboard, no default loggers. Network, data, training loop and validation are those of mflab, so that only the running
of trials differs. Every trial trains alone from its first step; nothing is stored but what it reports.

    python benchmarks/plain_tune.py SPEC.json RESULTS.json
"""

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import ray
from ray import tune


def train_treatment(config: dict[str, Any], overrides: list[str], levels: dict[str, dict[str, Any]]) -> None:
    """Trains and validates one treatment under one seed; reports metrics, and at the end a digest of its weights."""
    # Workers alone pay for these imports.
    from mflab.config import compose
    from mflab.model import make_model
    from mflab.sweep.planning.overrides import format_override
    from mflab.sweep.stages.artifacts import responses, weights_digest
    from mflab.sweep.stages.inputs import open_inputs
    from mflab.sweep.stages.opening import InputCache
    from mflab.sweep.stages.process_state import prepare_process
    from mflab.train import DiffusionTask, TrainState, find_device, torch_generator, train

    treatment = [format_override(key, value) for key, value in levels[config["treatment"]].items()]
    trial = compose([*overrides, *treatment, f"seed={config['seed']}"])
    prepare_process(trial.train.threads, trial.seed)
    inputs = open_inputs(trial, InputCache())
    assert inputs.curriculum is not None
    num_views = len(inputs.sources.train.view_names)
    model = make_model(trial.model, trial.data.size, num_views, torch_generator(trial.seed, "init"))
    model = model.to(find_device(trial.train.device))
    state = TrainState(model.unet, trial.optim)
    prompts = {style: one.tensor.float() for style, one in inputs.prompts.items()}
    task = DiffusionTask(model, inputs.loader, prompts, trial.train.base_style, trial.seed)
    for step in inputs.validation_steps:
        train(state, task, inputs.curriculum, trial.optim, step, lambda record: None)
        with state.average.applied():
            validation = inputs.validator.validate(model, prompts[trial.prompts.style], step)
        is_last = step == trial.train.steps
        weights = weights_digest(state.average.average) if is_last else ""
        tune.report({"step": state.step, "weights_sha256": weights, **responses(validation.rows)})


def main() -> int:
    spec_path, results_path = map(Path, sys.argv[1:])
    spec = json.loads(spec_path.read_text())
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    ray.init(
        address="local",
        num_cpus=spec["workers"],
        num_gpus=0,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    trainable = tune.with_parameters(train_treatment, overrides=spec["overrides"], levels=spec["levels"])
    results = tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),
        param_space={
            "treatment": tune.grid_search(list(spec["levels"])),
            "seed": tune.grid_search(spec["seeds"]),
        },
        run_config=tune.RunConfig(storage_path=spec["storage"], verbose=0),
    ).fit()
    if results.errors:
        raise results.errors[0]
    trials = []
    for result in results:
        assert result.config is not None and result.metrics is not None
        own = {name: result.metrics[name] for name in ("step", "weights_sha256")}
        trials.append({"treatment": result.config["treatment"], "seed": result.config["seed"], **own})
    results_path.write_text(json.dumps(trials))
    ray.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
