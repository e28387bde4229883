"""Live progress of a sweep in the terminal, or one line per finished trial where nobody watches."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

MARKS = {"done": "[green]done[/]", "failed": "[red]failed[/]", "diverged": "[red]diverged[/]"}
REFRESH_PER_SECOND = 2.0


@dataclass(frozen=True)
class RunningTrial:
    """A trial at work: its name and the steps it has done."""

    name: str
    step: int
    steps: int


@dataclass(frozen=True)
class Snapshot:
    """A sweep at one moment.

    Attributes:
        total: trials of this start.
        counts: ended trials by status.
        running: trials at work.
        steps_per_second: over all workers since the start; None before the first step.
        seconds_left: None while unknown.
        best: name and response of the best trial so far.
    """

    total: int
    counts: dict[str, int] = field(default_factory=dict)
    running: Sequence[RunningTrial] = ()
    steps_per_second: float | None = None
    seconds_left: float | None = None
    best: tuple[str, float] | None = None

    @property
    def ended(self) -> int:
        return sum(self.counts.values())


def format_seconds(seconds: float | None) -> str:
    """A duration for people.

    Example:
        >>> format_seconds(None), format_seconds(4.2), format_seconds(95.0), format_seconds(7260.0)
        ('unknown', '4 s', '1 min 35 s', '2 h 01 min')
    """
    if seconds is None:
        return "unknown"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class SweepConsole:
    """Shows snapshots while it is entered: a live panel on a terminal, else a line per ended trial.

    Args:
        console: where to write.
        response: name of the response, for the line of the best trial.
        unit: its unit.
    """

    def __init__(self, console: Console, response: str, unit: str) -> None:
        self.console = console
        self.response = response
        self.unit = unit
        self.snapshot = Snapshot(0)
        self._live = Live(
            console=console, get_renderable=self._render, refresh_per_second=REFRESH_PER_SECOND, transient=True
        )

    def __enter__(self) -> "SweepConsole":
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.console.is_terminal:
            self._live.stop()

    def update(self, snapshot: Snapshot) -> None:
        """The snapshot shown from now on."""
        self.snapshot = snapshot

    def ended(self, name: str, status: str, value: float | None, seconds: float, note: str = "") -> None:
        """One line about a trial that ended."""
        shown = self.snapshot
        name, note = escape(name), escape(note)
        mark = MARKS[status] if status in MARKS else status
        response = f"  {self.response} {value:.2f} {self.unit}".rstrip() if value is not None else ""
        left = f"  {format_seconds(shown.seconds_left)} left" if shown.seconds_left is not None else ""
        text = f"[{shown.ended}/{shown.total}]".replace("[", r"\[")
        self.console.print(
            f"{text} {mark}  {name}{response}  {seconds:.1f} s{left}{'  ' + note if note else ''}",
            highlight=False,
            soft_wrap=True,
        )

    def line(self, text: str) -> None:
        """A line of its own, above the live panel."""
        self.console.print(Text(text), soft_wrap=True)

    def _render(self) -> Group:
        shown = self.snapshot
        table = Table.grid(padding=(0, 2))
        for trial in shown.running:
            bar = ProgressBar(total=max(trial.steps, 1), completed=trial.step, width=24)
            table.add_row(Text(trial.name), bar, Text(f"step {trial.step} of {trial.steps}"))
        counts = ", ".join(f"{number} {status}" for status, number in shown.counts.items()) or "none ended"
        speed = f"{shown.steps_per_second:.1f} steps/s" if shown.steps_per_second else "no step yet"
        best = f"best {shown.best[1]:.2f} {self.unit} ({shown.best[0]})" if shown.best else "no response yet"
        summary = (
            f"{shown.total} trials: {counts}, {len(shown.running)} running | {speed} | "
            f"{format_seconds(shown.seconds_left)} left | {best}"
        )
        return Group(table, Text(summary))
