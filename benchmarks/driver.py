"""What mflab itself costs with trivial training: planning, starting a finished sweep, and running short trials.

    planning  the command with sweep.dry_run=true: wall time with all imports, peak memory. The first plan in an outputs
              folder has its model built by a fork, whose memory is not counted; the next finds that it was (`again`)
    finished  the command on a sweep that is done: the same, for finding nothing to do
    running   the command on Ray with two workers: what a trial takes beyond training and validation, from the ledger.
              `worker` is in the worker process (inputs, states, files), `driver` is everything between two jobs of a
              slot (Ray, ledger, tables). Warm trials are those that are not the first of their process.

Sizes that are not run are finished by benchmarks/finished_sweep.py, which copies the first trial.

    python benchmarks/driver.py            # planning and finished up to 1,000 trials, running up to 100
    python benchmarks/driver.py --full     # up to 10,000 and 1,000
    python benchmarks/driver.py --quick    # 10 trials; planning of 1,000; under a minute on two cores
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.processes import Usage, measure
from benchmarks.tiny import TINY

TRIVIAL = (*TINY, "train.steps=2", "validation.at=[1]", "train.keep_weights=false")
WORKERS = 2
# Factors of ten levels each; the first k of them make 10^k trials that share no step.
FACTORS = (
    ("lr", "optim.lr", 1e-3),
    ("decay", "optim.weight_decay", 1e-3),
    ("eps", "optim.eps", 1e-8),
    ("norm", "optim.max_grad_norm", 0.1),
)


@dataclass(frozen=True)
class Overhead:
    """Milliseconds per warm trial beyond training and validation: medians, the mean of all of it, processes used."""

    worker_ms: float
    driver_ms: float
    total_ms: float
    mean_ms: float
    num_processes: int


def overrides(num_trials: int, folder: Path) -> list[str]:
    """The command line of a sweep of 10, 100, 1,000 or 10,000 trials."""
    factors = FACTORS[: len(str(num_trials)) - 1]
    levels = {name: ",".join(repr(unit * place) for place in range(1, 11)) for name, _, unit in factors}
    return [
        *TRIVIAL,
        *(f"+sweep.factors.{name}={{key:{key},levels:[{levels[name]}]}}" for name, key, _ in factors),
        f"sweep.name=trivial{num_trials}",
        f"sweep.workers={WORKERS}",
        f"paths.data={folder / 'data'}",
        # A store for each: the trials of the smaller sweeps would be found again.
        f"paths.outputs={folder / str(num_trials)}",
    ]


def run(arguments: Sequence[str], folder: Path) -> Usage:
    """A measured command that must succeed."""
    log = folder / "log.txt"
    usage = measure([sys.executable, *arguments], log, {"RAY_TMPDIR": str(folder)})
    if usage.status:
        sys.exit(f"{log.read_text()}\n{' '.join(arguments)} ended with status {usage.status}.")
    return usage


def read_ledger(num_trials: int, folder: Path) -> list[dict]:
    path = folder / str(num_trials) / f"trivial{num_trials}" / "ledger.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def overhead(rows: Sequence[dict]) -> Overhead:
    """What the ledger says of the trials that were run."""
    done = [row for row in rows if row["event"] == "done"]
    first = {row["pid"]: row["trial_id"] for row in reversed(done)}
    warm = [row for row in done if first[row["pid"]] != row["trial_id"]]
    worker = [1e3 * (row["seconds"] - row["train_seconds"] - row["validate_seconds"]) for row in warm]
    driver = [1e3 * (row["wall_seconds"] - row["seconds"]) for row in warm]
    total = [sum(pair) for pair in zip(worker, driver, strict=True)]
    return Overhead(
        worker_ms=statistics.median(worker),
        driver_ms=statistics.median(driver),
        total_ms=statistics.median(total),
        mean_ms=statistics.fmean(total),
        num_processes=len(first),
    )


def start_again(num_trials: int, folder: Path) -> Usage:
    """Starts a finished sweep, which must find nothing to do."""
    usage = run(["-m", "mflab.sweep", *overrides(num_trials, folder)], folder)
    rows = read_ledger(num_trials, folder)
    last = max(place for place, row in enumerate(rows) if row["event"] == "start")
    if any(row["event"] == "started" for row in rows[last:]):
        sys.exit(f"A finished sweep of {num_trials} trials started one; see {folder}.")
    return usage


def show(kind: str, num_trials: int, usage: Usage, note: str = "") -> None:
    figures = f"{usage.wall_seconds:>9.1f}{usage.peak_gb:>9.2f}{usage.others_share:>13.0%}"
    print(f"{kind:<10}{num_trials:>8,}{figures}  {note}".rstrip(), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="10 trials, planning of 1,000")
    parser.add_argument("--full", action="store_true", help="up to 10,000 planned and 1,000 run trials")
    options = parser.parse_args()
    started = time.perf_counter()
    planned = [1000] if options.quick else [10, 100, 1000, *([10000] if options.full else [])]
    ran = [10] if options.quick else [10, 100, *([1000] if options.full else [])]
    copied = [] if options.quick else planned[len(ran) :]
    planning: dict[int, Usage] = {}
    again: dict[int, Usage] = {}
    finished: dict[int, Usage] = {}
    overheads: dict[int, Overhead] = {}
    print(f"{'':<10}{'trials':>8}{'wall s':>9}{'peak GB':>9}{'others took':>13}")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        for size in planned:
            for kind, usages in (("planning", planning), ("again", again)):
                usages[size] = run(["-m", "mflab.sweep", *overrides(size, folder), "sweep.dry_run=true"], folder)
                show(kind, size, usages[size])
        for size in ran:
            usage = run(["-m", "mflab.sweep", *overrides(size, folder)], folder)
            overheads[size] = one = overhead(read_ledger(size, folder))
            note = f"ms per warm trial: {one.total_ms:.0f} ({one.worker_ms:.0f} worker, {one.driver_ms:.0f} driver)"
            show("running", size, usage, f"{note}, mean {one.mean_ms:.0f}; {one.num_processes} processes")
        for size in copied:
            run([str(Path(__file__).with_name("finished_sweep.py")), *overrides(size, folder)], folder)
        for size in [*ran, *copied]:
            finished[size] = start_again(size, folder)
            show("finished", size, finished[size], "" if size in ran else "(copies of one trial)")
    print(
        json.dumps(
            {
                "planning_seconds": {size: round(usage.wall_seconds, 2) for size, usage in planning.items()},
                "planning_gb": {size: round(usage.peak_gb, 3) for size, usage in planning.items()},
                "again_seconds": {size: round(usage.wall_seconds, 2) for size, usage in again.items()},
                "again_gb": {size: round(usage.peak_gb, 3) for size, usage in again.items()},
                "finished_seconds": {size: round(usage.wall_seconds, 2) for size, usage in finished.items()},
                "finished_gb": {size: round(usage.peak_gb, 3) for size, usage in finished.items()},
                "overhead_ms": {size: round(one.total_ms, 1) for size, one in overheads.items()},
                "overhead_ms_mean": {size: round(one.mean_ms, 1) for size, one in overheads.items()},
                "worker_ms": {size: round(one.worker_ms, 1) for size, one in overheads.items()},
                "driver_ms": {size: round(one.driver_ms, 1) for size, one in overheads.items()},
                "seconds": round(time.perf_counter() - started, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
