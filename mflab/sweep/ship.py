"""Turns a finished sweep of one trial into shipped base weights: `python -m mflab.sweep.ship <sweep folder> <name>`."""

import sys
from pathlib import Path

from safetensors.torch import load_file

from mflab.config import compose, plain, treatment
from mflab.errors import MflabError
from mflab.model.weights import SHIPPED, save_weights
from mflab.results import Plan, Status, read_plan
from mflab.results.tables import read_training, read_trials
from mflab.sweep.stages.artifacts import WEIGHTS_FOLDER

# Enough losses to tell the recipe from another one, few enough for a test to repeat.
NUM_LOSSES = 3


def recipe_of(plan: Plan, losses: list[float], responses: dict[str, float]) -> dict[str, object]:
    """What made the weights: command, config, the trial's identity, its first losses and its last responses."""
    trial = plan.trials[0]
    overrides = list(plan.provenance["overrides"])
    return {
        "command": " ".join(["python -m mflab.sweep", *overrides]),
        "overrides": overrides,
        "config": plain(treatment(compose(overrides))),
        "trial_id": trial.trial_id,
        "steps": trial.steps,
        "first_losses": losses[:NUM_LOSSES],
        "responses": responses,
        "versions": plan.provenance["versions"],
    }


def ship(folder: Path, name: str, shipped: Path = SHIPPED) -> Path:
    """Writes the averaged weights of the folder's one trial in half precision, with their recipe, as base `name`.

    Raises:
        MflabError: the sweep has several trials or its trial is not done.
    """
    plan = read_plan(folder)
    trials = read_trials(folder)
    if len(plan.trials) != 1 or trials["status"].tolist() != [Status.done.name]:
        raise MflabError(
            f"Base weights come from one finished trial, but {folder} has {trials['status'].tolist()}; run the sweep "
            "to its end, without factors and with one seed."
        )
    trial = plan.trials[0]
    losses = read_training(folder).sort_values("step")["loss"].head(NUM_LOSSES).tolist()
    responses = {column: float(trials[column].iloc[0]) for column in trials.columns if str(column).startswith("val/")}
    path = shipped / f"{name}.safetensors"
    state = load_file(folder / WEIGHTS_FOLDER / f"{trial.trial_id}.safetensors")
    save_weights(state, path, recipe_of(plan, losses, responses))
    return path


def main(arguments: list[str]) -> int:
    """Exit status: 0 shipped, 2 bad input."""
    if len(arguments) != 2:
        sys.stderr.write("usage: python -m mflab.sweep.ship <sweep folder> <name>\n")
        return 2
    try:
        sys.stdout.write(f"wrote {ship(Path(arguments[0]), arguments[1])}\n")
    except MflabError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
