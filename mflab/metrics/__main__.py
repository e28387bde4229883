"""Command line: `python -m mflab.metrics list | check-golden DIR`."""

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mflab.errors import MflabError
from mflab.metrics.evaluate import METRICS
from mflab.metrics.golden import LIMITS, check_golden
from mflab.metrics.perceptual import BACKBONES, Absent, find_lpips


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0 fine, 1 beyond a limit, 2 unusable input."""
    parser = argparse.ArgumentParser(prog="python -m mflab.metrics", description="Image metrics of mflab.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="print every metric with direction, unit and definition")
    golden = commands.add_parser("check-golden", help="compare with stored reference values")
    golden.add_argument("folder", type=Path, help="folder with metrics*.npz and metrics*.json")
    parsed = parser.parse_args(arguments)
    console = Console()
    try:
        return print_metrics(console) if parsed.command == "list" else print_golden(console, parsed.folder)
    except MflabError as error:
        sys.stderr.write(f"{error}\n")
        return 2


def print_metrics(console: Console) -> int:
    """Prints `METRICS` and why a metric is absent here; returns the exit status."""
    table = Table("metric", "better", "unit", "definition")
    for name, info in METRICS.items():
        table.add_row(name, info.direction, info.unit or "-", info.definition)
    console.print(table)
    for net in BACKBONES:
        found = find_lpips(net)
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
