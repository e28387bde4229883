"""Names, columns and states of the records in a sweep folder."""

from dataclasses import dataclass
from enum import Enum


class Status(Enum):
    """State of a trial in `trials.csv`; `planned` and `stopped` trials run at the next start."""

    planned = "planned"
    done = "done"
    failed = "failed"
    diverged = "diverged"
    stopped = "stopped"


class Direction(Enum):
    """Whether a larger or a smaller response is better."""

    higher = "higher"
    lower = "lower"


METRIC_COLUMNS = ("trial_id", "step", "scene", "view", "seen", "metric", "value")
BASELINE_COLUMNS = ("baseline", "dataset", "scene", "view", "seen", "metric", "value")
TRAINING_COLUMNS = ("trial_id", "step", "loss", "lr", "grad_norm", "stage", "seconds")

# Columns of trials.csv that stand before and after those of factors, parameters and responses. `steps` is what a trial
# consists of, `steps_run` what all its jobs trained: one that pauses or is interrupted has several. `seconds` is the
# wall time of these jobs, `overhead_seconds` what is neither training nor evaluation of it. For done trials
# `seconds_alone` is what training and evaluation would have cost without sharing, `seconds_amortised` the same with
# what is shared divided among the done trials that share it.
TRIAL_COLUMNS_BEFORE = ("trial_id", "status")
TRIAL_COLUMNS_AFTER = (
    "seed",
    "run_order",
    "steps",
    "steps_run",
    "seconds",
    "seconds_alone",
    "seconds_amortised",
    "overhead_seconds",
    "peak_memory_gb",
    "error",
)

PLAN_FILE = "plan.json"
LEDGER_FILE = "ledger.jsonl"
TRIALS_FILE = "trials.csv"
METRICS_FILE = "metrics.parquet"
BASELINES_FILE = "baselines.parquet"
TRAINING_FILE = "training.parquet"
IMPORTANCES_FILE = "importances.json"
IMAGES_FOLDER = "images"


# Metrics of other scenes than those of the validation set are named after them: `prior/psnr_fg`.
PRIOR, TRAIN = "prior", "train"
# View of a row that is about all views of a scene.
SET_VIEW = "set"
# Scene of a row that is about all judged scenes.
ALL_SCENES = "all"
# A slot number: its mean says nothing.
CULPRIT = "consistency/culprit"


@dataclass(frozen=True)
class MetricRow:
    """One number of one validation: scene x view x metric.

    `seen` is true for the input view; a number about all views of a scene has the view `set` and is not seen.
    """

    step: int
    scene: str
    view: str
    seen: bool
    metric: str
    value: float


def factor_column(name: str) -> str:
    """Column of a factor in `trials.csv`: its own name, unless another column is called so.

    Example:
        >>> factor_column("style"), factor_column("steps")
        ('style', 'factor.steps')
    """
    return f"factor.{name}" if name in (*TRIAL_COLUMNS_BEFORE, *TRIAL_COLUMNS_AFTER) else name


def parameter_column(name: str) -> str:
    """Column of a search's parameter in `trials.csv`; empty for trials that do not draw it.

    Example:
        >>> parameter_column("lr")
        'param.lr'
    """
    return f"param.{name}"


def response_column(metric: str, *, seen: bool = False) -> str:
    """Name of a response in `trials.csv`: the mean over unseen views, or over seen (input) views.

    Metrics that are not of the single views of the validation set say so themselves.

    Example:
        >>> response_column("psnr_fg"), response_column("psnr_fg", seen=True), response_column("consistency/pc")
        ('val/psnr_fg', 'val/psnr_fg_seen', 'consistency/pc')
    """
    name = metric if "/" in metric else f"val/{metric}"
    return f"{name}_seen" if seen else name


def split_response(column: str) -> tuple[str, bool]:
    """Metric and `seen` flag of a response column; the inverse of `response_column`.

    Example:
        >>> split_response("val/ssim_seen")
        ('ssim', True)
    """
    name = column.removeprefix("val/")
    return (name.removesuffix("_seen"), True) if name.endswith("_seen") else (name, False)
