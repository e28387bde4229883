"""The cards of a report in reading order. A card that cannot be made says why; it never stops the report."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from analysis.blocks import Block, Card
from analysis.cards_detail import curves_card, images_card, views_card
from analysis.cards_effects import answer_card, cells_card, effects_card, omnibus_card
from analysis.cards_run import audit_card, cost_card, definitions_card, run_card
from analysis.findings import Findings
from mflab.errors import MflabError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CardPlan:
    """A card before it is made."""

    key: str
    title: str
    question: str
    caveat: str
    build: Callable[[Findings], list[Block]]


CARDS = (
    CardPlan("run", "What ran", "What was run, what failed, and what is left out?",
             "A trial that is not done enters no mean and no effect; no interval shows a bias by failure.",
             run_card),
    CardPlan("answer", "Answer", "What did the factors do?",
             "Distinguishable: Holm-adjusted p below 0.05 over all main-effect contrasts of the declared response. "
             "Equivalent: the 90 % interval lies inside ± the smallest effect of interest. All else is undecided.",
             answer_card),
    CardPlan("audit", "Audit", "Can this design tell its effects apart, and how small an effect can it find?",
             "Made before the sweep ran, for the planned trials; missing trials make it worse.", audit_card),
    CardPlan("omnibus", "Any effect at all", "Does any factor change the declared response?",
             "Least squares with seed blocks, sum contrasts, Type II; assumes the same residual spread in every arm.",
             omnibus_card),
    CardPlan("effects", "Effects", "How large is each effect, and how sure is it?",
             "Paired differences within seed blocks, equal weight for every combination of the other factors, t "
             "intervals over blocks. Seeds are the replicates: they cover other seeds, not other data.",
             effects_card),
    CardPlan("cells", "Arms", "How good is each arm, beside predictions that need no training?",
             "Intervals of single arms contain the differences between seeds that the paired effects remove: overlap "
             "does not mean that arms are equal. Baselines are fixed predictions on the same scenes: no interval.",
             cells_card),
    CardPlan("curves", "Learning curves", "How fast does each arm learn, and has it flattened?",
             "Bands are 95 % t intervals over seeds, point by point; the frame cuts very wide ones. "
             "Steps-to-reach covers only the trials that reach the level.",
             curves_card),
    CardPlan("views", "Views", "Which views gain, by azimuth?",
             "± is the half width of the 95 % t interval over seeds; many cells are looked at, so single ones mislead.",
             views_card),
    CardPlan("images", "Images", "What do the numbers look like?",
             "The first validation scenes and first seed of every arm, not chosen by eye. Orange frame: input view.",
             images_card),
    CardPlan("cost", "Cost", "What did it cost?",
             "Seconds are wall time of the worker, so trials that ran side by side on one machine slow each other.",
             cost_card),
    CardPlan("definitions", "Definitions and provenance", "What exactly was measured, and with what?",
             "Compare numbers of two reports only if metric, data set and validation steps agree.", definitions_card),
)  # fmt: skip


def build_cards(findings: Findings) -> list[Card]:
    """All cards; a failing one carries the reason in place of its content."""
    return [_build(plan, findings) for plan in CARDS]


def _build(plan: CardPlan, findings: Findings) -> Card:
    try:
        blocks = tuple(plan.build(findings))
    except MflabError as error:
        return Card(plan.key, plan.title, plan.question, (), plan.caveat, str(error))
    except Exception as error:  # the boundary: one broken card must not hide the others, and must not hide itself
        logger.exception("card %s failed", plan.key)
        return Card(plan.key, plan.title, plan.question, (), plan.caveat, f"{type(error).__name__}: {error}")
    return Card(plan.key, plan.title, plan.question, blocks, plan.caveat)
