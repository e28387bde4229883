"""What the driver leaves in the sweep folder: the ledger's rows, the plan, the tables."""

from typing import Any

from mflab.results import PLAN_FILE
from mflab.sweep.planning.ledger import Ledger, latest
from mflab.sweep.planning.plan import refreshed
from mflab.sweep.planning.planned import SweepPlan
from mflab.sweep.running.export import Throttle, export, is_exported
from mflab.sweep.running.pending import baseline_files
from mflab.sweep.stages.forest import Forest
from mflab.sweep.stages.known import Known
from mflab.train.atomic import write_atomically


class Journal:
    """Rows of the ledger, and everything that is written from them.

    Args:
        ledger: where every event goes first.

    Attributes:
        rows: all events, of this start and of earlier ones.
        has_new_baselines: a table of baselines was made since the start.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.rows = ledger.read()
        self.has_new_baselines = False
        self._has_new_trials = False
        self._throttle = Throttle()
        self._written: SweepPlan | None = None

    @property
    def endings(self) -> dict[str, dict[str, Any]]:
        """The last ending of every trial."""
        return latest(self.rows)

    def append(self, event: str, **fields: Any) -> None:
        """Writes one event."""
        self.rows.append(self.ledger.append(event, **fields))
        self._has_new_trials |= "trial_id" in fields

    def write_plan(self, plan: SweepPlan, forest: Forest, known: Known) -> None:
        """Writes `plan.json`; a search's with the stages of all that it has suggested."""
        self._written = plan
        shown = plan if plan.record.search is None else refreshed(plan, forest, known)
        write_atomically(plan.folder / PLAN_FILE, shown.record.write_json)

    def export(self, plan: SweepPlan, forest: Forest, known: Known) -> None:
        """Brings plan and tables up to date."""
        if plan is not self._written:
            self.write_plan(plan, forest, known)
        with self._throttle:
            files = [file for file, _, _ in baseline_files(plan).values()]
            is_new = self.has_new_baselines or self._has_new_trials
            if is_new or not is_exported(plan.folder, plan.record, self.endings, files):
                export(plan.folder, plan.record, self.rows, files)
                self.has_new_baselines = self._has_new_trials = False

    def export_if_due(self, plan: SweepPlan, forest: Forest, known: Known) -> None:
        """The same, unless it was done a short while ago."""
        if self._throttle.is_due():
            self.export(plan, forest, known)
