"""What a camera check found, in sentences and as JSON values."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mflab.metrics.consistency.camera_order import OrderCheck
from mflab.metrics.consistency.camera_scan import AngleScan
from mflab.metrics.consistency.camera_sentences import order_sentence, stray_sentence

# SC0 at 64 pixels below which views do not fit one another well: true views reach 0.97 and more.
GOOD_COHERENCE = 0.95


@dataclass(frozen=True)
class CameraCheck:
    """What the images of all sets together say about the cameras they claim.

    Attributes:
        elevation: scan over the elevation; None where no set can be judged.
        step: scan over the azimuth step from one of `step_views` to the next; None for irregular views and in the
            quick check.
        order: search over the order of `order_views`; None in the quick check.
        strays: numbers of views whose images do not fit `views`, each with the camera that its image does fit, -1 for
            none and for more than six strays; not looked for in the quick check.
        views: numbers of the views that fit one another best in the end, and judged the others.
        step_views: numbers of the views that `step` was found on.
        order_views: the same of `order`.
        num_views: views of each set.
        num_sets: sets given.
        num_judged: sets that count: their views all show an object of reasonable size.
        num_round: sets left out of these because their silhouettes are the same from all sides; 0 where all are.
        coherence_claimed: mean SC0 with the cameras as claimed, NaN without sets.
        coherence: mean SC0 once everything that was found is put right.
    """

    elevation: AngleScan | None
    step: AngleScan | None
    order: OrderCheck | None
    strays: Mapping[int, int]
    views: tuple[int, ...]
    step_views: tuple[int, ...]
    order_views: tuple[int, ...]
    num_views: int
    num_sets: int
    num_judged: int
    num_round: int
    coherence_claimed: float
    coherence: float

    @property
    def mismatch(self) -> bool:
        """A claim is wrong, or the views do not fit one another whatever the cameras."""
        parts = (self.elevation, self.step, self.order)
        return self.is_incoherent or bool(self.strays) or any(part is not None and part.mismatch for part in parts)

    @property
    def decidable(self) -> bool:
        """At least one of the claims could be judged."""
        return any(part is not None and part.decidable for part in (self.elevation, self.step, self.order))

    @property
    def is_incoherent(self) -> bool:
        """Even once everything that was found is put right, the views do not fit one another."""
        return self.decidable and self.coherence < GOOD_COHERENCE

    def findings(self) -> list[str]:
        """What is wrong, undecidable or fine, in sentences."""
        if self.elevation is None:
            return [
                f"None of {self.num_sets} sets can be judged: in each some view shows no object or fills the frame."
            ]
        said = self._wrong()
        if said and self.is_incoherent:
            said.append(
                f"Even so their coherence is only {self.coherence:.3f}, of {self.coherence_claimed:.3f} as claimed: "
                "more may be wrong, and these numbers are then rough."
            )
        elif self.is_incoherent:
            said.append(
                f"The views do not fit one another under any cameras that were tried: their coherence is "
                f"{self.coherence:.3f}, and true views reach {GOOD_COHERENCE:g}. Several images or masks may be wrong."
            )
        elif not said and self.elevation.decidable:
            step = ""
            if self.step is not None:
                # The sign says in which direction the views go round.
                claimed, found = abs(self.step.claimed), abs(self.step.estimated)
                step = f", azimuth step {claimed:.1f} degrees, estimated {found:.1f}"
            all_views = f" All {self.num_views} views fit one another." if self.order is not None else ""
            said.append(
                f"The images fit the claimed cameras: elevation {self.elevation.claimed:.1f} degrees, estimated "
                f"{self.elevation.estimated:.1f}{step}.{all_views}"
            )
        return [*said, *self._unknown()]

    def _wrong(self) -> list[str]:
        said = []
        if self.elevation is not None and self.elevation.mismatch:
            said.append(
                f"The images fit cameras at {self.elevation.estimated:.1f} degrees of elevation, but the cameras claim "
                f"{self.elevation.claimed:.1f}."
            )
        if self.step is not None and self.step.mismatch:
            first, second = self.step_views[:2]
            said.append(
                f"The images fit cameras that step {abs(self.step.estimated):.1f} degrees of azimuth from view {first} "
                f"to view {second}, but the cameras claim {abs(self.step.claimed):.1f}."
            )
        if self.order is not None and self.order.mismatch:
            said.append(order_sentence(self.order, self.order_views))
        if self.strays:
            said.append(stray_sentence(self.strays))
        return said

    def _unknown(self) -> list[str]:
        said = []
        parts = (("elevation", self.elevation), ("azimuth step", self.step), ("order", self.order))
        unknown = [name for name, part in parts if part is not None and not part.decidable]
        if unknown:
            said.append(
                f"The silhouettes cannot tell the {' and '.join(unknown)}: "
                + (
                    "they are the same from all sides, as those of rotationally symmetric objects are, and of one "
                    "picture in all places."
                    if all(part is None or part.is_round for part in (self.elevation, self.step))
                    else "they fit all tried cameras alike."
                )
            )
        if self.num_round:
            said.append(
                f"{self.num_round} of {self.num_sets} sets do not count: their silhouettes are the same from all sides."
            )
        return said

    def to_json(self) -> dict[str, Any]:
        """The same as JSON values; None where a number is unknown."""
        order = self.order
        return {
            "elevation": None if self.elevation is None else _scan_json(self.elevation),
            "azimuth_step": None if self.step is None else _scan_json(self.step),
            "order": None
            if order is None
            else {
                "views": list(self.order_views),
                "order": list(order.order),
                "reversed": order.is_reversed,
                "moved": list(order.moved),
                "gain": order.gain,
                "decidable": order.decidable,
                "mismatch": order.mismatch,
            },
            "strays": [{"view": view, "fits": None if fits < 0 else fits} for view, fits in self.strays.items()],
            "views": list(self.views),
            "num_views": self.num_views,
            "sets": self.num_sets,
            "sets_judged": self.num_judged,
            "sets_round": self.num_round,
            "coherence_claimed": _known(self.coherence_claimed),
            "coherence": _known(self.coherence),
            "decidable": self.decidable,
            "incoherent": self.is_incoherent,
            "mismatch": self.mismatch,
            "findings": self.findings(),
        }


def _scan_json(scan: AngleScan) -> dict[str, Any]:
    return {
        "claimed": scan.claimed,
        "estimated": scan.estimated,
        "error": scan.error,
        "gain": scan.gain,
        "decidable": scan.decidable,
        "is_round": scan.is_round,
        "mismatch": scan.mismatch,
        "angles": list(scan.angles),
        "coherence": list(scan.coherence),
        "scores": [_known(score) for score in scan.scores],
    }


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
