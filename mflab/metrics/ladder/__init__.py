"""The perturbation ladder: proof that the consistency measures measure consistency.

True views of many objects are spoilt in known ways at rising strength. A measure is worth something if it falls step
by step, tells faults from true views of other objects, and is silent where nothing disagrees. `rungs` lists what is
done to the views, `reactions` and `criteria` what must come out of it, stated before it is run.
"""

from mflab.metrics.ladder.criteria import all_criteria
from mflab.metrics.ladder.criterion import Criterion
from mflab.metrics.ladder.measure import LADDER_METRICS, Measurement, run_ladder
from mflab.metrics.ladder.perturbation import Kind, Perturbation
from mflab.metrics.ladder.report import LADDER_FORMAT, LadderReport
from mflab.metrics.ladder.results import Cell, Results, SceneFacts
from mflab.metrics.ladder.rungs import LADDER, make_ladder
from mflab.metrics.ladder.scenes import LadderScene, procedural_scenes

__all__ = [
    "LADDER",
    "LADDER_FORMAT",
    "LADDER_METRICS",
    "Cell",
    "Criterion",
    "Kind",
    "LadderReport",
    "LadderScene",
    "Measurement",
    "Perturbation",
    "Results",
    "SceneFacts",
    "all_criteria",
    "make_ladder",
    "procedural_scenes",
    "run_ladder",
]
