"""`python -m mflab.metrics list [--learned DIR]`: every metric with direction, unit and definition."""

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from mflab.metrics.consistency.definitions import CONSISTENCY_METRICS
from mflab.metrics.learned import Absent
from mflab.metrics.local import find_learned
from mflab.metrics.perceptual import BACKBONES, find_lpips
from mflab.metrics.table import METRICS, NEGATIVE_CONTROLS


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("list", help="print every metric with direction, unit and definition")
    parser.add_argument(
        "--learned", type=Path, action="append", default=[], metavar="DIR", help="a learned metric; repeatable"
    )


def run(args: argparse.Namespace, console: Console) -> int:
    """Prints what every metric means and why one is absent here; returns the exit status."""
    learned = [find_learned(folder) for folder in args.learned]
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
