"""The cards of a report in reading order. A card that cannot be made says why; it never stops the report."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from analysis.blocks import Block, Card, Text
from analysis.cards_cost import cost_card, forest_card
from analysis.cards_definitions import definitions_card
from analysis.cards_detail import curves_card, images_card, views_card
from analysis.cards_effects import answer_card, cells_card, effects_card, omnibus_card
from analysis.cards_ladder import ladder_card
from analysis.cards_race import race_card
from analysis.cards_retention import retention_card
from analysis.cards_run import audit_card, run_card
from analysis.cards_search import best_card, best_images_card, history_card, importances_card, pareto_card
from analysis.cards_verdict import verdict_card
from analysis.findings import Findings
from analysis.ladder_record import ladder_path
from mflab.errors import MflabError

logger = logging.getLogger(__name__)


DESIGN, RACE, SEARCH, PARETO = "design", "race", "search", "several objectives"
# Not a sort of sweep: its outputs folder holds a perturbation ladder.
LADDER = "ladder"


@dataclass(frozen=True)
class CardPlan:
    """A card before it is made. `kinds`: sweeps that have it; a race is a design, too."""

    key: str
    title: str
    question: str
    caveat: str
    build: Callable[[Findings], list[Block]]
    kinds: tuple[str, ...] = (DESIGN,)


CARDS = (
    CardPlan("run", "What ran", "What was run, what failed, and what is left out?",
             "A trial that is not done enters no mean and no effect; no interval shows a bias by failure.",
             run_card, (DESIGN, SEARCH)),
    CardPlan("race", "Race", "Who was dropped, when, and against whom?",
             "The rule bounds how often the best arm is lost, not how often a worse one stays. Differences to a "
             "dropped arm and to the best survivor look larger than they are: both were chosen by these numbers.",
             race_card, (RACE,)),
    CardPlan("best", "Best suggestions", "What did the search find?",
             "No effects are claimed and no analysis of variance is made: trials of a search are selected by what came "
             "before, and early-stopped ones have truncated values. The best of many looks better than it is: repeat "
             "it with new seeds in a sweep of its own before believing its number.",
             best_card, (SEARCH,)),
    CardPlan("history", "Course of the search", "Did the search still get better?",
             "What was suggested depends on all trials before, so neighbouring points are not independent.",
             history_card, (SEARCH,)),
    CardPlan("pareto", "Pareto front", "Which suggestions does no other one beat in every objective?",
             "A front of noisy numbers contains lucky suggestions: those with a better true value may lie behind it.",
             pareto_card, (PARETO,)),
    CardPlan("importances", "Importances", "Which parameters set the good trials apart?",
             "A search aid, no evidence of an effect (PED-ANOVA): it describes the points that the sampler chose and "
             "the pruner let finish, and another sampler would give other shares.",
             importances_card, (SEARCH,)),
    CardPlan("best_images", "Images", "What do the best suggestions look like?",
             "The first validation scenes and first seed of the best suggestions, not chosen by eye. Orange frame: "
             "input view.", best_images_card, (SEARCH,)),
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
    CardPlan("verdict", "Verdicts", "Did each run converge, and what should be run next?",
             "Limits and their reasons: conf/verdict.yaml. They were set on the miniature and its procedural scenes. A "
             "late rise is also small where the learning rate has fallen to zero. The suggestion is the checklist's "
             "first guess at a cause, not a finding.", verdict_card, (DESIGN, SEARCH)),
    CardPlan("curves", "Learning curves", "How fast does each arm learn, and has it flattened?",
             "Bands are 95 % t intervals over seeds, point by point; the frame cuts very wide ones. "
             "Steps-to-reach covers only the trials that reach the level.",
             curves_card),
    CardPlan("views", "Views", "Which views gain, by azimuth?",
             "± is the half width of the 95 % t interval over seeds; many cells are looked at, so single ones mislead.",
             views_card),
    CardPlan("retention", "Forgetting, overfitting, collapse, consistency",
             "What did training cost, and do the views of a set still differ and agree as the true ones do?",
             "Measured on few scenes, so read intervals over seeds. Consistency finds views that contradict one "
             "another, not ones that are wrong together, and is judged at the end of a run only.", retention_card),
    CardPlan("images", "Images", "What do the numbers look like?",
             "The first validation scenes and first seed of every arm, not chosen by eye. Orange frame: input view.",
             images_card),
    CardPlan("forest", "Shared stages", "Which trials train the same steps, and what does that save?",
             "As planned: trials that failed or were stopped early did not walk all their stages. Seconds are of "
             "training only, and only what done trials were spared.", forest_card, (DESIGN, SEARCH)),
    CardPlan("cost", "Cost", "What did it cost, and what did sharing save?",
             "Seconds are wall time of the worker, so trials that ran side by side on one machine slow each other. "
             "Alone and amortised are known of done trials only; what was found in the store counts there with what it "
             "cost when it was made.", cost_card, (DESIGN, SEARCH)),
    CardPlan("ladder", "Do the measures measure consistency?",
             "What do the consistency measures notice when true views are spoilt step by step, and when they are not?",
             "Spoilt renders and photographs stand for the faults of a generator; a real one mixes faults. Limits were "
             "stated before the ladder was run. It proves the measures, and says nothing about this sweep.",
             ladder_card, (LADDER,)),
    CardPlan("definitions", "Definitions and provenance", "What exactly was measured, and with what?",
             "Compare numbers of two reports only if metric, data set and validation steps agree.", definitions_card,
             (DESIGN, SEARCH)),
)  # fmt: skip


def build_cards(findings: Findings) -> list[Card]:
    """The cards of this kind of sweep; a failing one carries the reason in place of its content."""
    kinds = _kinds(findings)
    return [_build(plan, findings) for plan in CARDS if kinds & set(plan.kinds)]


def _kinds(findings: Findings) -> set[str]:
    plan = findings.sweep.plan
    extra = {LADDER} if ladder_path(findings.sweep.folder).is_file() else set()
    if plan.search is not None:
        return extra | ({SEARCH, PARETO} if plan.search["objectives"] else {SEARCH})
    return extra | ({DESIGN} if plan.race is None else {DESIGN, RACE})


# Cards that show arms side by side, whatever seeds they have.
_SIDE_BY_SIDE = ("cells", "curves", "views", "retention", "images")


def _dropped_note(plan: CardPlan, findings: Findings) -> tuple[Block, ...]:
    """Says of an arm that left a race that it has fewer seeds, and why."""
    if plan.key not in _SIDE_BY_SIDE or findings.race is None or not findings.race.drops:
        return ()
    total = len(findings.sweep.plan.design.seeds)
    values = findings.race.values
    arms = ", ".join(f"{arm} ({len(values.get(arm, {}))} of {total} seeds)" for arm in findings.race.drops)
    text = (
        f"Dropped from the race: {arms}. They were selected for looking worse, and their means cover other seeds than "
        "those of the survivors: the card Race compares on common seeds."
    )
    return (Text(text, "warn"),)


def _build(plan: CardPlan, findings: Findings) -> Card:
    try:
        blocks = (*_dropped_note(plan, findings), *plan.build(findings))
    except MflabError as error:
        return Card(plan.key, plan.title, plan.question, (), plan.caveat, str(error))
    except Exception as error:  # the boundary: one broken card must not hide the others, and must not hide itself
        logger.exception("card %s failed", plan.key)
        return Card(plan.key, plan.title, plan.question, (), plan.caveat, f"{type(error).__name__}: {error}")
    return Card(plan.key, plan.title, plan.question, blocks, plan.caveat)
