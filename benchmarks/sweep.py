"""What sharing saves: the sweep `late_stage` with plain Ray Tune, with mflab, and with mflab without sharing.

    a  plain     Ray Tune's function trainables and grid search, one process per trial (benchmarks/plain_tune.py)
    c  mflab
    b  unshared  mflab with store.share=false

The three run one after another in the order a, c, b, each as a command of its own with a Ray of its own, so that all
pay for their start-up; with the same trials, workers and threads, on a dataset that was written before. mflab also
writes what its sweeps leave behind: ledger, tables, pictures, weights, states and baselines.

    python benchmarks/sweep.py              # all seeds of the sweep
    python benchmarks/sweep.py --seeds 0 1
    python benchmarks/sweep.py --quick      # a and c with a tiny network and four treatments, under 50 s on two cores
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.processes import ROOT, Usage, measure
from benchmarks.tiny import ROWS_OF_VIEWS_ALONE, TINY, TINY_SIZE, TINY_TRAIN, TINY_VAL
from mflab.data.sources import DataCfg, open_sources

SWEEP = "late_stage"
WORKERS = 2
QUICK = (*TINY, "train.steps=24", "validation.at=[0,0.75,1]")
QUICK_LEVELS = 4
# A trial by its treatment and seed.
Key = tuple[str, int]


@dataclass(frozen=True)
class Outcome:
    """What a variant did: steps that it trained, digest of each trial's averaged weights, and what it took."""

    steps: int
    digests: Mapping[Key, str]
    usage: Usage


@dataclass(frozen=True)
class Question:
    """The trials of all variants.

    Attributes:
        factor: name of the only factor.
        levels: level -> config key -> value.
        seeds: one block each.
        overrides: of every trial, on the command line.
        dropped: overrides that take the other levels out of the sweep.
    """

    factor: str
    levels: dict[str, dict[str, Any]]
    seeds: list[int]
    overrides: list[str]
    dropped: list[str]


def read_question(seeds: Sequence[int], is_quick: bool, data: Path) -> Question:
    """The trials of the sweep file, or the first few of its treatments in the tiny world."""
    sweep = yaml.safe_load((ROOT / "sweeps" / f"{SWEEP}.yaml").read_text())["sweep"]
    ((factor, spec),) = sweep["factors"].items()
    kept = list(spec["levels"])[: QUICK_LEVELS if is_quick else None]
    return Question(
        factor=factor,
        levels={name: spec["levels"][name] for name in kept},
        seeds=list(seeds) or (sweep["seeds"][:1] if is_quick else sweep["seeds"]),
        overrides=[f"+sweep={SWEEP}", *(QUICK if is_quick else ROWS_OF_VIEWS_ALONE), f"paths.data={data}"],
        dropped=[f"~sweep.factors.{factor}.levels.{name}" for name in spec["levels"] if name not in kept],
    )


def run_plain(question: Question, folder: Path) -> Outcome:
    """Variant a."""
    spec, results = folder / "spec.json", folder / "results.json"
    spec.write_text(
        json.dumps(
            {
                "overrides": question.overrides,
                "levels": question.levels,
                "seeds": question.seeds,
                "workers": WORKERS,
                "storage": str(folder / "storage"),
            }
        )
    )
    usage = _run([str(ROOT / "benchmarks" / "plain_tune.py"), str(spec), str(results)], folder)
    trials = json.loads(results.read_text())
    digests = {(trial["treatment"], trial["seed"]): trial["weights_sha256"] for trial in trials}
    return Outcome(sum(trial["step"] for trial in trials), digests, usage)


def run_mflab(question: Question, folder: Path, is_shared: bool) -> Outcome:
    """Variants b and c."""
    overrides = [
        *question.overrides,
        *question.dropped,
        f"paths.outputs={folder}",
        f"sweep.seeds={json.dumps(question.seeds)}".replace(" ", ""),
        f"sweep.workers={WORKERS}",
        f"store.share={json.dumps(is_shared)}",
    ]
    usage = _run(["-m", "mflab.sweep", *overrides], folder)
    plan = json.loads((folder / SWEEP / "plan.json").read_text())
    rows = [json.loads(line) for line in (folder / SWEEP / "ledger.jsonl").read_text().splitlines()]
    done = {row["trial_id"]: row["weights_sha256"] for row in rows if row["event"] == "done"}
    keys = {trial["trial_id"]: (trial["cell"][question.factor], trial["seed"]) for trial in plan["trials"]}
    steps = sum(row["steps_run"] for row in rows if "steps_run" in row)
    return Outcome(steps, {keys[trial_id]: digest for trial_id, digest in done.items()}, usage)


def _run(arguments: Sequence[str], folder: Path) -> Usage:
    log = folder / "log.txt"
    usage = measure([sys.executable, *arguments], log, {"RAY_TMPDIR": str(folder)})
    if usage.status:
        sys.exit(f"{log.read_text()}\n{' '.join(arguments)} ended with status {usage.status}.")
    return usage


def print_row(name: str, outcome: Outcome, plain: Outcome) -> None:
    usage = outcome.usage
    num_equal = sum(outcome.digests.get(key) == digest for key, digest in plain.digests.items())
    print(
        f"{name:<10}{outcome.steps:>8}{usage.wall_seconds:>9.1f}{usage.cpu_seconds:>9.1f}{usage.worker_peak_gb:>16.2f}"
        f"{usage.num_workers:>9}{f'{num_equal} of {len(plain.digests)}':>16}{usage.others_share:>13.0%}",
        flush=True,
    )


def _wall_ratio(slow: Outcome, fast: Outcome) -> float:
    return round(slow.usage.wall_seconds / fast.usage.wall_seconds, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tiny network, four treatments, one seed")
    parser.add_argument("--seeds", type=int, nargs="+", default=[], help="default: those of the sweep")
    options = parser.parse_args()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        root = Path(name)
        data = DataCfg(size=TINY_SIZE, num_train=TINY_TRAIN, num_val=TINY_VAL) if options.quick else DataCfg()
        open_sources(data, root / "data")
        question = read_question(options.seeds, options.quick, root / "data")
        print(
            f"{'':<10}{'steps':>8}{'wall s':>9}{'CPU s':>9}{'worker peak GB':>16}{'workers':>9}{'equal weights':>16}"
            f"{'others took':>13}"
        )
        outcomes: dict[str, Outcome] = {}
        for variant in ("plain", "mflab") if options.quick else ("plain", "mflab", "unshared"):
            folder = root / variant
            folder.mkdir()
            is_plain, is_shared = variant == "plain", variant == "mflab"
            outcomes[variant] = run_plain(question, folder) if is_plain else run_mflab(question, folder, is_shared)
            # At once: a long run that is cut short has not measured for nothing.
            print_row(variant, outcomes[variant], outcomes["plain"])
    plain, shared, unshared = outcomes["plain"], outcomes["mflab"], outcomes.get("unshared")
    num_trials = len(question.levels) * len(question.seeds)
    are_equal = all(outcome.digests == plain.digests for outcome in outcomes.values())
    print(
        json.dumps(
            {
                "steps_ratio": round(plain.steps / shared.steps, 3),
                "wall_ratio": _wall_ratio(plain, shared),
                "wall_ratio_unshared": _wall_ratio(unshared, shared) if unshared is not None else None,
                "cpu_ratio": round(plain.usage.cpu_seconds / shared.usage.cpu_seconds, 3),
                "bitwise_equal": are_equal and len(plain.digests) == num_trials,
                "trials": num_trials,
                "steps": {variant: outcome.steps for variant, outcome in outcomes.items()},
                "wall_seconds": {variant: round(one.usage.wall_seconds, 1) for variant, one in outcomes.items()},
                "others_share": round(max(one.usage.others_share for one in outcomes.values()), 3),
                "seconds": round(time.perf_counter() - started, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
