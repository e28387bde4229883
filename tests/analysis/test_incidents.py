import json
from collections.abc import Callable
from pathlib import Path

from analysis.incidents import MEANING, incidents
from analysis.load import Sweep
from analysis.report import write_report


def append(folder: Path, *rows: dict[str, object]) -> None:
    with (folder / "ledger.jsonl").open("a") as ledger:
        ledger.writelines(json.dumps({"time": "2026-01-02T03:04:05.678+00:00", **row}) + "\n" for row in rows)


def test_incidents_name_trial_and_entry_on_the_page(make_sweep: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_sweep()
    append(
        folder,
        {"event": "retried", "job": "single-facelift-0", "reason": "killed by signal 9"},
        {"event": "damaged", "job": "single-facelift-0", "entry": "state 00/12: sha256 differs"},
        {"event": "requeued", "suggestions": 2},
    )
    write_report(folder, tmp_path / "report")
    markdown = (tmp_path / "report" / "report.md").read_text().replace("\\", "")
    row = "| retried | 2026-01-02 03:04:05 | trial single · facelift, seed 0; reason killed by signal 9 |"
    assert row in markdown
    assert "entry state 00/12: sha256 differs" in markdown
    assert "2 × requeued (a suggestion of a driver that died was asked for again)" in markdown


def test_a_driver_that_never_ended_is_an_incident_once_another_started(make_sweep: Callable[..., Path]) -> None:
    folder = make_sweep()
    append(folder, {"event": "start"}, {"event": "end"}, {"event": "start"})
    assert incidents(Sweep(folder)) == []
    append(folder, {"event": "start"})
    assert [incident.event for incident in incidents(Sweep(folder))] == ["killed"]


def test_no_incident_is_said(make_sweep: Callable[..., Path], tmp_path: Path) -> None:
    write_report(make_sweep(), tmp_path / "report")
    assert "No incident" in (tmp_path / "report" / "report.md").read_text()


def test_requeued_suggestions_are_counted_each(make_sweep: Callable[..., Path]) -> None:
    folder = make_sweep()
    append(folder, {"event": "requeued", "suggestions": 2}, {"event": "requeued", "suggestions": 1})
    assert [(incident.event, incident.count) for incident in incidents(Sweep(folder))] == [
        ("requeued", 2),
        ("requeued", 1),
    ]


def test_the_store_keeps_states() -> None:
    assert not any("checkpoint" in meaning for meaning in MEANING.values())
