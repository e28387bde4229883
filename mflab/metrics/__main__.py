"""Command line: `python -m mflab.metrics list [--learned DIR] | check-golden DIR`."""

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mflab.errors import MflabError
from mflab.metrics.consistency.definitions import CONSISTENCY_METRICS
from mflab.metrics.golden import LIMITS, check_golden
from mflab.metrics.learned import Absent
from mflab.metrics.local import find_learned
from mflab.metrics.perceptual import BACKBONES, find_lpips
from mflab.metrics.table import METRICS, NEGATIVE_CONTROLS


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0 fine, 1 beyond a limit, 2 unusable input."""
    parser = argparse.ArgumentParser(prog="python -m mflab.metrics", description="Image metrics of mflab.")
    commands = parser.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("list", help="print every metric with direction, unit and definition")
    listing.add_argument(
        "--learned", type=Path, action="append", default=[], metavar="DIR", help="a learned metric; repeatable"
    )
    golden = commands.add_parser("check-golden", help="compare with stored reference values")
    golden.add_argument("folder", type=Path, help="folder with metrics*.npz and metrics*.json")
    parsed = parser.parse_args(arguments)
    console = Console()
    try:
        if parsed.command == "list":
            return print_metrics(console, parsed.learned)
        return print_golden(console, parsed.folder)
    except MflabError as error:
        sys.stderr.write(f"{error}\n")
        return 2


def print_metrics(console: Console, folders: list[Path]) -> int:
    """Prints what every metric means and why one is absent here; returns the exit status."""
    learned = [find_learned(folder) for folder in folders]
    known = METRICS | NEGATIVE_CONTROLS | CONSISTENCY_METRICS
    known |= {one.name: one.info for one in learned if not isinstance(one, Absent)}
    table = Table("metric", "better", "unit", "definition")
    for name, info in known.items():
        table.add_row(name, info.direction, info.unit or "-", info.definition)
    console.print(table)
    for found in [*(find_lpips(net) for net in BACKBONES), *learned]:
        if isinstance(found, Absent):
            console.print(f"absent: {found.reason}", soft_wrap=True, highlight=False, markup=False)
    return 0


def print_golden(console: Console, folder: Path) -> int:
    """Prints the error of each reference file, then one JSON line with the largest; returns the exit status."""
    files = check_golden(folder)
    table = Table("file", "pairs", *(f"{metric} (limit {limit:g})" for metric, limit in LIMITS.items()), "result")
    for file in files:
        errors = (f"{file.errors[metric]:.2e}" for metric in LIMITS)
        table.add_row(file.name, str(file.num_pairs), *errors, "ok" if file.is_within_limits else "beyond")
    console.print(table)
    largest = {metric: max(file.errors[metric] for file in files) for metric in LIMITS}
    is_passed = all(file.is_within_limits for file in files)
    result = {"max_error": max(largest.values()), **largest, "limits": LIMITS, "files": len(files), "passed": is_passed}
    sys.stdout.write(json.dumps(result) + "\n")
    return 0 if is_passed else 1


if __name__ == "__main__":
    sys.exit(main())
