"""`python -m mflab.metrics ladder [--quick] [--real DIR] [--out DIR]`: do the measures measure consistency?"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from mflab.errors import MflabError
from mflab.geometry import RIGS
from mflab.metrics.consistency import ViewSet
from mflab.metrics.ladder.criteria import all_criteria
from mflab.metrics.ladder.measure import run_ladder, scan_elevations
from mflab.metrics.ladder.real import read_ring, real_scenes
from mflab.metrics.ladder.report import LADDER_FILE, LadderReport, make_cells, print_report, write_report
from mflab.metrics.ladder.results import Results, SceneFacts
from mflab.metrics.ladder.rungs import make_ladder
from mflab.metrics.ladder.scenes import LadderScene, procedural_scenes, render, strangers
from mflab.metrics.ladder.sift_table import SiftRow, sift_table

WIDTH, QUICK_WIDTH = 128, 64
SIFT_WIDTH, QUICK_SIFT_WIDTH = 256, 128
SIFT_STEPS, QUICK_SIFT_STEPS = (1, 2, 3, 4, 5, 6, 8, 11, 16), (1, 2, 5)
SIFT_RING = "facelift32"


def add_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "ladder", help="spoil true views step by step and see what the consistency measures notice"
    )
    parser.add_argument("--quick", action="store_true", help="three objects at 64 px and two strengths: a minute")
    parser.add_argument(
        "--real", type=Path, metavar="DIR",
        help="folder of posed views with alpha (images/cam_000.png, opencv_cameras.json) to spoil as well",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, default=Path("outputs/ladder"), metavar="DIR", help="default outputs/ladder"
    )
    parser.add_argument("--seed", type=int, default=0, help="of everything random; default 0")


def run(args: argparse.Namespace, console: Console) -> int:
    """Prints and writes what the ladder shows, then one JSON line; returns 0 if every criterion holds, else 1.

    Raises:
        MflabError: a negative seed, an unusable real set, or a folder that cannot be written.
    """
    if args.seed < 0:
        raise MflabError(f"seed must not be negative, but got seed={args.seed}; pass --seed 0 or more.")
    _check_writable(args.out)
    report = climb(args.seed, args.quick, args.real, lambda text: console.print(text, highlight=False))
    write_report(report, args.out)
    print_report(report, console)
    console.print(f"Written to {args.out / LADDER_FILE}.", soft_wrap=True, highlight=False)
    sys.stdout.write(json.dumps(report.summary()) + "\n")
    return 0 if report.passed else 1


def climb(
    seed: int, is_quick: bool, real: Path | None = None, said: Callable[[str], None] = lambda _: None
) -> LadderReport:
    """Returns the judged ladder over procedural scenes and, where named, a folder of real ones.

    Args:
        seed: of everything random.
        is_quick: the short ladder.
        real: folder for `read_ring`.
        said: told what is being measured.
    """
    start = time.perf_counter()
    width = QUICK_WIDTH if is_quick else WIDTH
    scenes: list[LadderScene] = [] if real is None else real_scenes(real, width, seed)
    scenes = [*procedural_scenes(width, seed, is_quick), *scenes]
    ladder = make_ladder(is_quick)
    rows = run_ladder(scenes, ladder, seed, not is_quick, said)
    results = Results([SceneFacts(s.name, s.kind, s.chroma, s.is_grey) for s in scenes], ladder, rows)
    said("camera self-check")
    criteria = all_criteria(results, scan_elevations(scenes, seed), width)
    said("SIFT matches")
    sift = _sift(seed, is_quick, real)
    seconds = time.perf_counter() - start
    return LadderReport(results, criteria, make_cells(results), sift, seed, width, is_quick, seconds)


def _sift(seed: int, is_quick: bool, real: Path | None) -> list[SiftRow]:
    """Matches on the ring of the real folder, else of a rendered mouse."""
    width = QUICK_SIFT_WIDTH if is_quick else SIFT_WIDTH
    if real is None:
        cameras = RIGS[SIFT_RING].cameras(width)
        ring = ViewSet(*render(strangers(seed)[0], cameras), cameras)
    else:
        ring = read_ring(real)
        ring = ring.resized(min(width, ring.width))
    steps = QUICK_SIFT_STEPS if is_quick else SIFT_STEPS
    every = 4 if is_quick else 1
    return sift_table(ring, tuple(step for step in steps if step < ring.num_views), every, np.random.default_rng(seed))


def _check_writable(folder: Path) -> None:
    """Refuses a folder that cannot be written before minutes are spent."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise MflabError(f"The ladder's folder must be writable, but {error}; choose another with --out.") from error
