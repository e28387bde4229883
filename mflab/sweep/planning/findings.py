"""What a check before the start found, kept in the outputs folder under a name that says what it depends on."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from mflab.config import fingerprint
from mflab.train.atomic import write_atomically

PREFLIGHT_FOLDER = "preflight"


def has_findings(outputs: Path, kind: str) -> bool:
    """Whether earlier starts left any result of a kind of check."""
    return any((outputs / PREFLIGHT_FOLDER).glob(f"{kind}-*.json"))


def find_kept(outputs: Path, kind: str, depends_on: object) -> dict[str, Any] | None:
    """The result of a check by an earlier start; None where there is none, or none that is JSON."""
    with suppress(FileNotFoundError, ValueError):
        return json.loads(_path(outputs, kind, depends_on).read_text(encoding="utf-8"))
    return None


def kept_finding(outputs: Path, kind: str, depends_on: object, check: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The result of a check, made now or by an earlier start; nothing is kept of a check that raises.

    Args:
        outputs: paths.outputs.
        kind: of check, first part of the file's name.
        depends_on: everything that can change the result.
        check: makes it, as JSON values.
    """
    found = find_kept(outputs, kind, depends_on)
    if found is None:
        found = check()
        content = json.dumps(found, indent=2).encode()
        write_atomically(_path(outputs, kind, depends_on), lambda file: file.write(content))
    return found


def _path(outputs: Path, kind: str, depends_on: object) -> Path:
    return outputs / PREFLIGHT_FOLDER / f"{kind}-{fingerprint(depends_on)[:16]}.json"
