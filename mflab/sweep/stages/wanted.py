"""An evaluation that a trial needs, as entries of the store."""

from dataclasses import dataclass

from mflab.sweep.stages.chain import Chain
from mflab.sweep.stages.inputs import TrialInputs
from mflab.sweep.stages.keys import evaluation_name
from mflab.train import SETS_VERSION

SETS = "sets"


@dataclass(frozen=True)
class Part:
    """An entry beside an evaluation's own: rows of whole sets of views, or of a probe.

    Attributes:
        kind: `sets`, or the name of a probe, which goes before the names of its metrics.
        name: in the store.
    """

    kind: str
    name: str


@dataclass(frozen=True)
class Wanted:
    """An evaluation that a trial needs.

    Attributes:
        step: of the state that is evaluated.
        name: in the store.
        num_images: scenes whose pictures are needed too.
        parts: what else is measured.
    """

    step: int
    name: str
    num_images: int
    parts: tuple[Part, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Entries that must be in the store."""
        pictures = [pictures_name(self.name, self.num_images)] if self.num_images else []
        return (self.name, *pictures, *(part.name for part in self.parts))


def pictures_name(evaluation: str, num_images: int) -> str:
    """Name of the pictures of an evaluation.

    Example:
        >>> pictures_name("ab/ab01", 6)
        'ab/ab01-pictures6'
    """
    return f"{evaluation}-pictures{num_images}"


def make_wanted(chain: Chain, step: int, state: str, key: str, num_images: int, inputs: TrialInputs) -> Wanted:
    """The evaluation of the state before `step`; pictures and sets of views belong to the last.

    Args:
        chain: the trial's.
        step: of the state.
        state: its name.
        key: from `mflab.sweep.stages.keys.evaluation_key`.
        num_images: scenes whose pictures are asked for.
        inputs: what the trial reads.
    """
    name, is_last = evaluation_name(chain, step, state, key), step == chain.num_steps
    sets = inputs.validator.sets if is_last else None
    parts = [Part(SETS, f"{name}-sets{len(sets)}v{SETS_VERSION}")] if sets is not None else []
    parts += [Part(kind, evaluation_name(chain, step, state, probe.key)) for kind, probe in inputs.probes.items()]
    return Wanted(step, name, num_images if is_last else 0, tuple(parts))
