"""`python -m mflab.metrics check-golden DIR`: are stored reference values still reproduced?"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from mflab.metrics.golden import LIMITS, check_golden


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("check-golden", help="compare with stored reference values")
    parser.add_argument("folder", type=Path, help="folder with metrics*.npz and metrics*.json")


def run(args: argparse.Namespace, console: Console) -> int:
    """Prints the error of each reference file, then one JSON line with the largest; returns the exit status."""
    files = check_golden(args.folder)
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
