"""Before a dataset is trained on: do its images fit the cameras that it claims?"""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from mflab.config import RootCfg, fingerprint
from mflab.data.scenes import SceneSource, composite
from mflab.data.sources import DataKind
from mflab.errors import MflabError
from mflab.metrics.consistency import CHECK_WIDTH, ViewSet, check_camera_claims, evenly
from mflab.sweep.planning.findings import kept_finding
from mflab.sweep.planning.prepare import PreparedCell

# Scenes looked at of each half of a dataset: the rig is common, so a few tell.
NUM_SCENES = 3
# Raise when the check changes: what was found before then does not stand.
PREFLIGHT_VERSION = 3


def camera_findings(cells: Iterable[PreparedCell], outputs: Path) -> list[dict[str, Any]]:
    """What the images of every dataset folder say about their cameras, one entry per dataset and half.

    Scenes that the project renders itself have the cameras they were rendered with; they are not looked at. What was
    found is kept in the outputs folder, by content of the data.

    Args:
        cells: whose data are checked.
        outputs: paths.outputs.
    """
    found: dict[str, dict[str, Any]] = {}
    for cell in cells:
        if cell.config.data.kind is not DataKind.folder:
            continue
        for half, source in zip(("train", "val"), cell.inputs.sources, strict=True):
            depends_on = [PREFLIGHT_VERSION, source.fingerprint, cell.config.data]
            key = fingerprint(depends_on)
            if key not in found:
                check = partial(_check, source, cell.config)
                name = f"{cell.config.data.name} ({half})"
                found[key] = {"data": name, **kept_finding(outputs, "cameras", depends_on, check)}
    return list(found.values())


def _check(source: SceneSource, config: RootCfg) -> dict[str, Any]:
    scenes = [source[number] for number in evenly(len(source), NUM_SCENES)]
    cameras = [scene.cameras for scene in scenes if scene.cameras is not None]
    if len(cameras) < len(scenes):
        return _said(False, "not checked: the data has no cameras (data.cameras)")
    # Masks come from alpha; a dataset that is declared opaque has none.
    colours, alphas = zip(*(composite(scene.rgba, "white") for scene in scenes), strict=True)
    if all(bool((alpha == 1.0).all()) for alpha in alphas):
        return _said(False, "not checked: the images carry no alpha; see python -m mflab.metrics cameras")
    # The check looks no closer, and many views of many scenes take much memory.
    sets = [
        ViewSet(*one).resized(min(CHECK_WIDTH, one[0].shape[-1])) for one in zip(colours, alphas, cameras, strict=True)
    ]
    try:
        check = check_camera_claims(ViewSet.stacked(sets), torch.Generator().manual_seed(0))
    except MflabError as error:
        return _said(False, f"not checked: {error}")
    return _said(check.mismatch, *check.findings())


def _said(mismatch: bool, *findings: str) -> dict[str, Any]:
    return {"mismatch": mismatch, "findings": list(findings)}
