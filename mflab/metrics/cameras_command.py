"""`python -m mflab.metrics cameras FOLDER`: do the images fit the cameras they claim?"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from mflab.errors import MflabError
from mflab.metrics.camera_input import CameraInput, claimed_rig, read_camera_input
from mflab.metrics.consistency.camera_check import check_camera_claims
from mflab.metrics.consistency.camera_findings import CameraCheck
from mflab.metrics.consistency.camera_scan import AngleScan

SEED = 0


def add_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "cameras",
        help="check whether images fit the elevation, azimuth step and order of their cameras",
        description="From the silhouettes of all views: the elevation and the azimuth step that fit them best, images "
        "under another's camera, and images that fit none of the others. Says what differs from the cameras' claims, "
        "then one JSON object. Silhouettes cannot tell a turn of all views about the vertical, --fov and --radius, or "
        "anything of bodies of revolution; what is told differs by at least 5 degrees of elevation or 2 of azimuth "
        "step, and the coherence gains .005 by it. Exit status: 0 the cameras fit or cannot be told, 1 they do not "
        "fit, 2 unusable input.",
    )
    parser.add_argument("folder", type=Path, help="dataset of sample_* folders, one sample, or a folder of images")
    parser.add_argument("--list", type=Path, metavar="FILE", help="list of sample folders, relative to FOLDER")
    parser.add_argument("--json", action="store_true", help="print the JSON object alone")
    parser.add_argument("--max-sets", type=int, default=4, metavar="N", help="sets to look at, evenly chosen; 4")
    rig = parser.add_argument_group("claimed cameras, instead of camera files")
    rig.add_argument("--azimuths", type=float, nargs="+", metavar="DEG", help="one per view, clockwise from the front")
    rig.add_argument("--elevation", type=float, metavar="DEG", help="of all views")
    rig.add_argument("--fov", type=float, default=50.0, metavar="DEG", help="field of view; 50")
    rig.add_argument("--radius", type=float, default=2.7, help="distance to the object; 2.7")


def run(args: argparse.Namespace, console: Console) -> int:
    """Prints what the images say about their cameras, last one JSON object; returns the exit status."""
    if (args.azimuths is None) != (args.elevation is None):
        given, missing = ("--elevation", "--azimuths") if args.azimuths is None else ("--azimuths", "--elevation")
        raise MflabError(f"Claimed cameras need both azimuths and an elevation, but got {given} alone; set {missing}.")
    rig = None if args.azimuths is None else claimed_rig(args.azimuths, args.elevation, args.fov, args.radius)
    given = read_camera_input(args.folder, args.list, rig, args.max_sets)
    check = check_camera_claims(given.views, torch.Generator().manual_seed(SEED))
    findings = check.findings()
    sentences = [*_about(given, check), *findings]
    if not args.json:
        _print_table(check, console)
        for sentence in sentences:
            console.print(sentence, soft_wrap=True, highlight=False, markup=False)
    result = {
        **check.to_json(),
        "folder": str(args.folder),
        "names": list(given.names),
        "sets_found": given.num_found,
        "mask_source": "alpha" if given.has_alpha else "estimated",
        "camera_source": given.source,
    }
    sys.stdout.write(json.dumps(result, allow_nan=False) + "\n")
    return 1 if check.mismatch else 0


def _about(given: CameraInput, check: CameraCheck) -> list[str]:
    """What was looked at, where that is not all or not as stored."""
    said = [f"Looked at {len(given.names)} of {given.num_found} sets with the cameras of {given.source}."]
    if check.views and len({*check.views, *check.strays}) < check.num_views:
        views = ", ".join(map(str, check.views))
        said.append(f"Elevation, step and order are those of views {views}, which judge the others.")
    if len(check.views) > 2 and check.order is not None and check.step is None:
        views = ", ".join(map(str, check.views))
        said.append(f"The azimuth step was not checked: the cameras of views {views} do not step equally.")
    if not given.has_alpha:
        said.append("The images carry no alpha: masks were estimated from colours on white.")
    return said


def _print_table(check: CameraCheck, console: Console) -> None:
    table = Table("claim", "claimed", "estimated", "gain in SC0", "result")
    for name, scan in (("elevation", check.elevation), ("azimuth step", check.step)):
        if scan is None:
            table.add_row(name, "-", "-", "-", "not checked")
        else:
            # The sign of a step is its direction, which is part of the order.
            angles = (abs(scan.claimed), abs(scan.estimated)) if scan is check.step else (scan.claimed, scan.estimated)
            values = (*(f"{angle:.1f} deg" for angle in angles), f"{scan.gain:+.4f}")
            table.add_row(name, *values, _result(scan))
    order = check.order
    if order is None:
        table.add_row("order", "-", "-", "-", "not checked")
    else:
        images = [check.order_views[image] for image in order.order]
        claimed, found = (" ".join(map(str, numbers)) for numbers in (check.order_views, images))
        found = "reversed" if order.is_reversed else found
        result = "mismatch" if order.mismatch else "fits" if order.decidable else "undecidable"
        table.add_row("order", claimed, found, f"{order.gain:+.4f}", result)
        strays = " ".join(map(str, check.strays))
        fitting = f"not {strays}" if strays else "all, once put right" if check.mismatch else "all"
        table.add_row("views that fit", "all", fitting, "-", _views_result(check))
    console.print(table)


def _views_result(check: CameraCheck) -> str:
    if check.strays or check.is_incoherent:
        return "mismatch"
    return "fits" if check.decidable else "undecidable"


def _result(scan: AngleScan) -> str:
    return "mismatch" if scan.mismatch else "fits" if scan.decidable else "undecidable"
