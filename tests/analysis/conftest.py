"""A fabricated sweep folder with known effects: 2 schedules x 2 target styles x 3 seeds."""

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mflab.design import audit_design, make_design, parse_factors, replicate, run_order
from mflab.results import (
    BASELINE_COLUMNS,
    METRIC_COLUMNS,
    TRAINING_COLUMNS,
    TRIAL_COLUMNS_AFTER,
    TRIAL_COLUMNS_BEFORE,
    DesignRecord,
    Direction,
    FactorRecord,
    LevelRecord,
    Plan,
    ResponseRecord,
    StageRecord,
    StageSpan,
    TrialRecord,
    ViewRecord,
)

VIEWS = (
    ViewRecord("front", 0.0, 20.0),
    ViewRecord("front_right", 45.0, 20.0),
    ViewRecord("right", 90.0, 20.0),
    ViewRecord("back", 180.0, 20.0),
    ViewRecord("left", 270.0, 20.0),
    ViewRecord("front_left", 315.0, 20.0),
)
SCENES = ("sample_000000", "sample_000001", "sample_000002")
STEPS = (0, 50, 100, 200, 300)
BASELINES = {"white": 8.0, "copy_input": 9.0, "pretrained": 9.7}


@dataclass(frozen=True)
class Truth:
    """What is injected: dB on psnr_fg at the last step."""

    schedule: float = 1.5
    style: float = 0.0
    interaction: float = 0.4
    seed_sd: float = 0.6
    noise_sd: float = 0.05
    seeds: tuple[int, ...] = (0, 1, 2)
    status: dict[str, str] = field(default_factory=dict)
    smallest_effect: float | None = 0.5
    design: str = "full_factorial"
    schedules: tuple[str, ...] = ("single", "two_stage")
    styles: tuple[str, ...] = ("facelift", "mouse_elevated")


def trial_id(cell: dict[str, str], seed: int) -> str:
    return f"{cell['schedule']}-{cell['style']}-{seed}"


def stage_forest(trials: Sequence[TrialRecord]) -> tuple[StageRecord, ...]:
    """Trials of one seed share their spans as long as these are equal."""
    paths: dict[tuple[object, ...], list[str]] = {}
    for trial in trials:
        for count in range(1, len(trial.stages) + 1):
            paths.setdefault((trial.seed, *trial.stages[:count]), []).append(trial.trial_id)
    names = {path: f"{path[0]}/{number}" for number, path in enumerate(paths)}
    names |= {path[:1]: "" for path in paths}
    return tuple(
        StageRecord(names[path], names[path[:-1]], span.start, span.end, (span.prompt,), tuple(own), True)
        for path, own in paths.items()
        if isinstance(span := path[-1], StageSpan)
    )


def pieces(plan: Plan, trial: TrialRecord) -> list[list[object]]:
    """Ledger's stages of a trial: name, steps and 0.1 s a step."""
    own = [stage for stage in plan.stages if trial.trial_id in stage.trials]
    return [[stage.key, stage.end - stage.start, 0.1 * (stage.end - stage.start)] for stage in own]


def build_plan(truth: Truth) -> Plan:
    factors = parse_factors(
        {
            "schedule": {"key": "curriculum", "levels": truth.schedules},
            "style": {"key": "prompts.style", "levels": truth.styles},
        }
    )
    runs = replicate(make_design(truth.design, factors), truth.seeds)
    order = run_order(runs, np.random.default_rng(0))
    trials = []
    for run, position in zip(runs, order, strict=True):
        spans = (StageSpan(0, 300, run.cell["style"], {}),)
        if run.cell["schedule"] != "single":
            spans = (StageSpan(0, 120, "facelift", {}), StageSpan(120, 300, run.cell["style"], {}))
        trials.append(
            TrialRecord(
                trial_id(run.cell, run.seed), dict(run.cell), run.seed, position, 300, (), "mice-64", VIEWS, spans
            )
        )
    return Plan(
        sweep="known",
        question="Does a two-stage prompt schedule help, and for which target style?",
        created="2026-01-01T00:00:00+00:00",
        response=ResponseRecord("val/psnr_fg", Direction.higher, "dB", truth.smallest_effect),
        factors=tuple(
            FactorRecord(f.name, tuple(LevelRecord(level.name, dict(level.overrides)) for level in f.levels))
            for f in factors
        ),
        design=DesignRecord(truth.design, truth.seeds),
        audit=audit_design(factors, runs).to_dict(),
        allow_confounded=False,
        trials=tuple(trials),
        stages=stage_forest(trials),
        steps_asked=300 * len(trials),
        steps_distinct=sum(stage.end - stage.start for stage in stage_forest(trials)),
        steps_to_run=300 * len(trials),
        estimated_seconds=600.0,
        disk_bytes=1000 * len(trials),
        exactness="bitwise",
        search=None,
        race=None,
        provenance={"git": "0123abc", "versions": {"torch": "2.15.0"}, "base_weights": "sha256:feed"},
    )


def _final(cell: dict[str, str], truth: Truth) -> float:
    two_stage, elevated = truth.schedules.index(cell["schedule"]), truth.styles.index(cell["style"])
    return 12.0 + truth.schedule * two_stage + truth.style * elevated + truth.interaction * two_stage * elevated


def _metric_rows(trial: TrialRecord, truth: Truth, rng: np.random.Generator, block: float) -> list[tuple[object, ...]]:
    final = _final(trial.cell, truth) + block + rng.normal(0, truth.noise_sd)
    rows: list[tuple[object, ...]] = []
    for step in STEPS:
        level = BASELINES["pretrained"] + (final - BASELINES["pretrained"]) * (1 - np.exp(-step / 80)) / (
            1 - np.exp(-300 / 80)
        )
        for index, scene in enumerate(SCENES):
            for view in VIEWS:
                seen = view.name == "front"
                value = level + 0.3 * (index - 1) + (4.0 if seen else 0.5 * np.cos(np.radians(view.azimuth_deg)))
                rows.append((trial.trial_id, step, scene, view.name, seen, "psnr_fg", value))
                rows.append((trial.trial_id, step, scene, view.name, seen, "ssim", 0.5 + value / 50))
    return rows


def write_sweep(folder: Path, truth: Truth) -> Path:
    """The sweep folder of `truth`; the same truth writes the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    plan, rng = build_plan(truth), np.random.default_rng(11)
    (folder / "plan.json").write_text(plan.to_json(), encoding="utf-8")
    blocks = {seed: rng.normal(0, truth.seed_sd) for seed in truth.seeds}
    ledger: list[dict[str, object]] = [
        {"time": "2026-01-01T00:00:00+00:00", "event": "planned", "trials": len(plan.trials)}
    ]
    metrics, training, rows = [], [], []
    made: set[object] = set()
    for trial in plan.trials:
        status = truth.status.get(trial.trial_id, "done")
        own = _metric_rows(trial, truth, rng, blocks[trial.seed])
        is_done, is_run = status == "done", status != "planned"
        frame = pd.DataFrame(own, columns=list(METRIC_COLUMNS))
        last = frame[(frame.step == 300) & ~frame.seen].groupby("metric").value.mean()
        if is_run:
            owned = sum(int(str(piece[1])) for piece in pieces(plan, trial) if piece[0] not in made)
            made |= {piece[0] for piece in pieces(plan, trial)}
            started = {"event": "started", "trial_id": trial.trial_id, "steps_to_run": owned}
            ledger.append({"time": "2026-01-01T00:01:00+00:00", **started})
            ending = {"steps": 300 if is_done else 120, "steps_run": owned if is_done else 0, "found": False}
            ending |= {"stages": pieces(plan, trial) if is_done else [], "exactness": "bitwise"}
            repeat = f"python -m mflab.sweep +sweep=known sweep.only={trial.trial_id}"
            error = "" if is_done else "RuntimeError: <disk> full & lost"
            ledger.append(
                {"time": "2026-01-01T00:02:00+00:00", "event": status, "trial_id": trial.trial_id, **ending}
                | ({} if is_done else {"error": error, "repeat": repeat})
            )
        if is_done:
            metrics += own
            training += [
                (trial.trial_id, step, float(np.exp(-step / 100)), 5e-4, 1.0, 0, 0.3) for step in range(0, 300, 10)
            ]
        rows.append(
            {
                "trial_id": trial.trial_id,
                "status": status,
                **trial.cell,
                "seed": trial.seed,
                "run_order": trial.run_order,
            }
            | {"val/psnr_fg": last["psnr_fg"] if is_done else "", "val/ssim": last["ssim"] if is_done else ""}
            | {"steps": 300 if is_done else 120, "seconds": 40.0 + trial.run_order, "overhead_seconds": 0.12}
            | {"steps_run": ledger[-1]["steps_run"] if is_run else 0}
            | {"seconds_alone": 30.0 if is_done else "", "seconds_amortised": 24.0 if is_done else ""}
            | {"peak_memory_gb": 0.9, "error": "" if is_done or not is_run else "RuntimeError: <disk> full & lost"}
        )
    ledger.append(
        {
            "time": "2026-01-01T00:03:00+00:00",
            "event": "metric_absent",
            "metric": "lpips",
            "reason": "no backbone weights",
        }
    )
    (folder / "ledger.jsonl").write_text("".join(json.dumps(record) + "\n" for record in ledger), encoding="utf-8")
    names = [*TRIAL_COLUMNS_BEFORE, "schedule", "style", "val/psnr_fg", "val/ssim", *TRIAL_COLUMNS_AFTER]
    with (folder / "trials.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    pd.DataFrame(metrics, columns=list(METRIC_COLUMNS)).to_parquet(folder / "metrics.parquet")
    pd.DataFrame(training, columns=list(TRAINING_COLUMNS)).to_parquet(folder / "training.parquet")
    baselines = [
        (
            name,
            "mice-64",
            scene,
            view.name,
            view.name == "front",
            metric,
            value if metric == "psnr_fg" else 0.5 + value / 50,
        )
        for name, value in BASELINES.items()
        for scene in SCENES
        for view in VIEWS
        for metric in ("psnr_fg", "ssim")
    ]
    pd.DataFrame(baselines, columns=list(BASELINE_COLUMNS)).to_parquet(folder / "baselines.parquet")
    _write_images(folder / "images", plan, truth)
    return folder


def _strip(rng: np.random.Generator, blur: float) -> Image.Image:
    """Six 32-pixel views side by side: a coloured disc on white, washed out by `blur`."""
    tiles = []
    y, x = np.mgrid[0:32, 0:32]
    colour = rng.uniform(40, 160, 3)
    for index in range(len(VIEWS)):
        inside = ((x - 16 - 4 * np.sin(index)) ** 2 + (y - 18) ** 2 < 90)[..., None]
        tiles.append(np.where(inside, colour * (1 - blur) + 255 * blur, 255))
    return Image.fromarray(np.concatenate(tiles, axis=1).astype(np.uint8))


def _write_images(folder: Path, plan: Plan, truth: Truth) -> None:
    for index, scene in enumerate(SCENES[:2]):
        target = folder / "ground_truth" / "mice-64" / f"{scene}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        _strip(np.random.default_rng(index), 0.0).save(target)
        for number, trial in enumerate(plan.trials):
            if truth.status.get(trial.trial_id, "done") == "done":
                path = folder / trial.trial_id / f"{scene}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                _strip(np.random.default_rng(index), 0.1 + 0.05 * (number % 4)).save(path)


@pytest.fixture
def truth() -> Truth:
    return Truth()


@pytest.fixture
def make_sweep(tmp_path: Path) -> Callable[..., Path]:
    """Writes a fabricated sweep under the test's outputs folder; keywords change the truth."""

    def write(name: str = "known", **changes: object) -> Path:
        return write_sweep(tmp_path / "outputs" / name, Truth(**changes))  # pyright: ignore[reportArgumentType]

    return write
