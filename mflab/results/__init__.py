"""Record formats of a sweep folder: what the driver writes and the analysis reads.

<outputs>/<sweep>/
    plan.json           what was asked: question, response, factors, audit, trials (see `Plan`)
    ledger.jsonl        append-only, one JSON object a line: time, event, trial_id and the event's own fields
    trials.csv          one row per planned trial: what it varies, responses, costs
    metrics.parquet     METRIC_COLUMNS, one row per validated scene, view and metric
    baselines.parquet   BASELINE_COLUMNS, the same for predictions that need no training
    training.parquet    TRAINING_COLUMNS, loss and learning rate along the run
    images/<trial_id>/<scene>.png            predicted views of the last validation, side by side
    images/ground_truth/<dataset>/<scene>.png  the true views, side by side, in the same order
"""

from mflab.results.formats import (
    ALL_SCENES,
    BASELINE_COLUMNS,
    BASELINES_FILE,
    CULPRIT,
    IMAGES_FOLDER,
    IMPORTANCES_FILE,
    LEDGER_FILE,
    METRIC_COLUMNS,
    METRICS_FILE,
    PLAN_FILE,
    PRIOR,
    SET_VIEW,
    TRAIN,
    TRAINING_COLUMNS,
    TRAINING_FILE,
    TRIAL_COLUMNS_AFTER,
    TRIAL_COLUMNS_BEFORE,
    TRIALS_FILE,
    Direction,
    MetricRow,
    Status,
    factor_column,
    parameter_column,
    response_column,
    split_response,
)
from mflab.results.plan import (
    PLAN_FORMAT,
    DesignRecord,
    FactorRecord,
    LevelRecord,
    Plan,
    ResponseRecord,
    StageRecord,
    StageSpan,
    TrialRecord,
    ViewRecord,
)
from mflab.results.read import read_ledger, read_plan

__all__ = [
    "ALL_SCENES",
    "BASELINES_FILE",
    "BASELINE_COLUMNS",
    "CULPRIT",
    "IMAGES_FOLDER",
    "IMPORTANCES_FILE",
    "LEDGER_FILE",
    "METRICS_FILE",
    "METRIC_COLUMNS",
    "PLAN_FILE",
    "PLAN_FORMAT",
    "PRIOR",
    "SET_VIEW",
    "TRAIN",
    "TRAINING_COLUMNS",
    "TRAINING_FILE",
    "TRIALS_FILE",
    "TRIAL_COLUMNS_AFTER",
    "TRIAL_COLUMNS_BEFORE",
    "DesignRecord",
    "Direction",
    "FactorRecord",
    "LevelRecord",
    "MetricRow",
    "Plan",
    "ResponseRecord",
    "StageRecord",
    "StageSpan",
    "Status",
    "TrialRecord",
    "ViewRecord",
    "factor_column",
    "parameter_column",
    "read_ledger",
    "read_plan",
    "response_column",
    "split_response",
]
