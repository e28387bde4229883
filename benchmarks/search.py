"""Driver cost of one suggestion: mflab's study beside Ray's OptunaSearch.

Both ask the same sampler for the same space, keep their trials in a SQLite file of their own, take two reports and a
result per trial, and train nothing. They take turns trial by trial in one process, so that a busy machine slows both.
Ray's searcher never stops a trial (its schedulers do, outside); mflab is timed both without early stopping, which is
what is compared, and with the successive halving that its sweeps use.

    python benchmarks/search.py            # 300 trials each
    python benchmarks/search.py --quick    # 100 trials each, under 50 s on two cores
"""

import argparse
import json
import logging
import math
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import TPESampler
from optuna.storages import RDBStorage
from ray.tune.search.optuna import OptunaSearch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mflab.design.search import Pruner, SearchCfg
from mflab.design.space import parse_space
from mflab.sweep.search.study import Study, open_study

MAX_STEP = 200
REPORTS = (50, 100)
STARTUP = 5
SPACE = parse_space(
    {
        "lr": {"key": "optim.lr", "low": 1e-4, "high": 1e-2, "log": True},
        "style": {"key": "prompts.style", "choices": ["facelift", "mouse_elevated", "realistic"]},
        "warmup": {"key": "optim.warmup_steps", "low": 0, "high": 40, "type": "int"},
    },
    {},
)
RAY_SPACE = {
    "lr": FloatDistribution(1e-4, 1e-2, log=True),
    "style": CategoricalDistribution(["facelift", "mouse_elevated", "realistic"]),
    "warmup": IntDistribution(0, 40),
}


def response(values: dict, step: int) -> float:
    """A made-up curve with an optimum inside the space."""
    distance = (math.log10(values["lr"]) + 3) ** 2 + (values["warmup"] / 40 - 0.5) ** 2
    return 20 + (values["style"] == "mouse_elevated") - distance - 10 / (1 + step / 20)


def mflab_trial(study: Study) -> Callable[[int], None]:
    """One trial through mflab's study."""

    def run(_: int) -> None:
        suggestion = study.ask()
        for step in REPORTS:
            if study.report(suggestion.number, step, response(suggestion.values, step)):
                study.tell_pruned(suggestion.number)
                return
        study.tell_done(suggestion.number, [response(suggestion.values, MAX_STEP)])

    return run


def ray_trial(folder: Path) -> Callable[[int], None]:
    """One trial through Ray's searcher."""
    searcher = OptunaSearch(
        RAY_SPACE,
        metric="response",
        mode="max",
        sampler=TPESampler(seed=0, n_startup_trials=STARTUP, multivariate=True),
        storage=RDBStorage(f"sqlite:///{folder / 'ray.db'}"),
        study_name="search",
    )

    def run(index: int) -> None:
        values = searcher.suggest(str(index))
        assert isinstance(values, dict)
        for step in REPORTS:
            searcher.on_trial_result(str(index), {"response": response(values, step), "training_iteration": step})
        result = {"response": response(values, MAX_STEP), "training_iteration": MAX_STEP}
        searcher.on_trial_complete(str(index), result)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer trials")
    trials = 100 if parser.parse_args().quick else 300
    logging.getLogger("optuna").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        studies = {
            label: open_study(
                SearchCfg(trials=trials, pruner=pruner, startup=STARTUP),
                SPACE,
                ["maximize"],
                "search",
                folder / label,
                MAX_STEP,
            )
            for label, pruner in (("mflab", Pruner.none), ("mflab, with halving", Pruner.asha))
        }
        runs = {"Ray OptunaSearch": ray_trial(folder)} | {label: mflab_trial(study) for label, study in studies.items()}
        for run in runs.values():
            run(-1)
        spent = dict.fromkeys(runs, 0.0)
        labels = list(runs)
        for index in range(trials):
            for label in labels[index % 3 :] + labels[: index % 3]:
                start = time.perf_counter()
                runs[label](index)
                spent[label] += time.perf_counter() - start
        for study in studies.values():
            study.close()
    milliseconds = {label: 1e3 * seconds / trials for label, seconds in spent.items()}
    print(f"{'':<22}{'ms per trial':>14}")
    for label in labels:
        print(f"{label:<22}{milliseconds[label]:>14.1f}")
    print(
        json.dumps(
            {
                "ms_per_trial_mflab": round(milliseconds["mflab"], 2),
                "ms_per_trial_mflab_halving": round(milliseconds["mflab, with halving"], 2),
                "ms_per_trial_ray": round(milliseconds["Ray OptunaSearch"], 2),
                "ratio": round(milliseconds["Ray OptunaSearch"] / milliseconds["mflab"], 3),
                "trials": trials,
            }
        )
    )


if __name__ == "__main__":
    main()
