"""Readers of what a sweep folder says of itself: its plan and its ledger."""

import json
from pathlib import Path
from typing import Any

from mflab.errors import MflabError
from mflab.results.formats import LEDGER_FILE, PLAN_FILE
from mflab.results.plan import Plan


def read_plan(folder: Path) -> Plan:
    """The plan of a sweep folder.

    Raises:
        MflabError: no or malformed plan.
    """
    path = existing_file(folder / PLAN_FILE)
    return Plan.from_json(path.read_text(encoding="utf-8"), str(path))


def read_ledger(folder: Path) -> list[dict[str, Any]]:
    """All ledger records in file order; empty when the sweep has not started.

    A crash can cut a line short. Such a line did not happen: it appears as an event `unreadable` with its line number,
    so that a reader of events skips it and a report can show it.
    """
    path = folder / LEDGER_FILE
    if not path.exists():
        return []
    records: list[dict[str, Any]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").split("\n"), start=1):
        if line.strip():
            records.append(_ledger_record(line, number))
    return records


def _ledger_record(line: str, number: int) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except json.JSONDecodeError:
        record = None
    return record if isinstance(record, dict) and "event" in record else {"event": "unreadable", "line": number}


def existing_file(path: Path) -> Path:
    """The path of a file that a sweep folder must hold.

    Raises:
        MflabError: it does not.
    """
    if not path.is_file():
        raise MflabError(f"A sweep folder must hold {path.name}, but {path} does not exist; run the sweep first.")
    return path
