"""What went wrong on the way and was mended: dead workers and drivers, damaged entries, unreadable ledger lines."""

from dataclasses import dataclass

from analysis.load import Sweep

KILLED = "killed"
MEANING = {
    "retried": "a worker died; its trial went on from the last state in the store",
    "damaged": "an entry of the store was damaged, set aside and made again",
    "requeued": "a suggestion of a driver that died was asked for again",
    "interrupted": "the sweep was interrupted",
    "unreadable": "a line of the ledger was cut short by a crash and does not count",
    KILLED: "the driver ended without a word: killed, or the machine went down",
}


@dataclass(frozen=True)
class Incident:
    """One of MEANING, when it was, to whom, and how many of the kind a row of the ledger tells of."""

    event: str
    time: str
    detail: str
    count: int = 1


def incidents(sweep: Sweep) -> list[Incident]:
    """All incidents in the order of the ledger."""
    found: list[Incident] = []
    is_open, last = False, ""
    for row in sweep.ledger:
        event = row["event"]
        if event == "start":
            if is_open:
                found.append(Incident(KILLED, last, "last sign of life before the next start"))
            is_open = True
        elif event == "end":
            is_open = False
        elif event in MEANING:
            fields = {name: value for name, value in row.items() if name not in ("time", "event", "job")}
            if "job" in row:
                record = sweep.records.get(row["job"])
                name = row["job"] if record is None else f"{sweep.group_of(record)}, seed {record.seed}"
                fields = {"trial": name, **fields}
            detail = "; ".join(f"{name} {_text(value)}" for name, value in fields.items())
            count = int(row["suggestions"]) if event == "requeued" else 1
            found.append(Incident(event, row["time"][:19] if "time" in row else "", detail, count))
        last = row["time"][:19] if "time" in row else last
    return found


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)
