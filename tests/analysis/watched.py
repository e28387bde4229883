"""What a sweep also records where runs are watched: whole sets, base scenes, training scenes, all baselines."""

from pathlib import Path

import numpy as np
import pandas as pd

from mflab.results import BASELINE_COLUMNS, METRIC_COLUMNS
from tests.analysis.conftest import SCENES, STEPS, VIEWS

TRUE_SETS = {
    "consistency/sc": 1.0,
    "consistency/sc_min": 1.0,
    "consistency/et_max": 0.5,
    "consistency/pc": 0.75,
    "consistency/pc_min": 0.65,
    "consistency/ti": 0.03,
    "consistency/loo": 17.2,
    "consistency/vc": 0.85,
    "consistency/culprit": -1.0,
    "consistency/inconsistent": 0.0,
    "consistency/valid": 1.0,
    "collapse/diversity": 1.0,
    "collapse/to_input": 1.0,
}
GOOD_SETS = {**TRUE_SETS, "consistency/sc_min": 0.999, "consistency/pc": 0.7, "collapse/diversity": 0.9}
CULPRIT_SLOT = 3


def watch(folder: Path, forgotten: float = 0.4, bad_arm: str = "") -> Path:
    """Adds these rows to a fabricated sweep; trials whose id begins with `bad_arm` get inconsistent sets."""
    metrics = pd.read_parquet(folder / "metrics.parquet")
    rows: list[tuple[object, ...]] = []
    for trial_id in dict.fromkeys(metrics["trial_id"]):
        is_bad = bool(bad_arm) and trial_id.startswith(bad_arm)
        sets = dict(GOOD_SETS)
        if is_bad:
            sets |= {"consistency/inconsistent": 1.0, "consistency/culprit": CULPRIT_SLOT, "consistency/pc": 0.3}
        rows += [(trial_id, 300, scene, "set", False, name, value) for name, value in sets.items() for scene in SCENES]
        rows.append((trial_id, 300, "all", "set", False, "cameras/elevation_error", -1.5))
        rows.append((trial_id, 300, "all", "set", False, "cameras/decidable", 1.0))
        own = metrics[(metrics["trial_id"] == trial_id) & ~metrics["seen"] & (metrics["metric"] == "psnr_fg")]
        for step in STEPS:
            level = float(own[own["step"] == step]["value"].mean())
            for view in VIEWS[1:]:
                prior = 14.0 - forgotten * step / 300
                rows.append((trial_id, step, "base_0", view.name, False, "prior/psnr_fg", prior))
                rows.append((trial_id, step, "train_0", view.name, False, "train/psnr_fg", level + 0.5 * step / 300))
                rows += [(trial_id, step, s, view.name, False, "ssim_fg", 0.3 + level / 100) for s in SCENES]
    pd.concat([metrics, pd.DataFrame(rows, columns=list(METRIC_COLUMNS))]).to_parquet(folder / "metrics.parquet")
    base = pd.read_parquet(folder / "baselines.parquet")
    more: list[tuple[object, ...]] = [
        ("ground_truth", "mice-64", scene, "set", False, name, value)
        for name, value in TRUE_SETS.items()
        for scene in SCENES
    ]
    for name, level in (("white", 8.0), ("copy_input", 9.0), ("mean_image", 9.5), ("pretrained", 9.7)):
        metric_levels = {"ssim_fg": 0.2 + level / 100} | ({"psnr_fg": level} if name == "mean_image" else {})
        more += [
            (name, "mice-64", scene, view.name, view.name == "front", metric, value)
            for metric, value in metric_levels.items()
            for scene in SCENES
            for view in VIEWS
        ]
    more.append(("copy_input", "mice-64", SCENES[0], "front", True, "psnr_fg", np.inf))
    pd.concat([base, pd.DataFrame(more, columns=list(BASELINE_COLUMNS))]).to_parquet(folder / "baselines.parquet")
    return folder
