"""The command line of the report: names to folders, one report each."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from analysis.report import write_report
from mflab.errors import MflabError
from mflab.results import PLAN_FILE


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 if every report was written, 2 if a sweep was missing or unreadable."""
    options = _parse(arguments)
    try:
        folders = find_sweeps(options.sweeps, options.outputs)
        for folder in folders:
            out = options.out / folder.name if len(folders) > 1 or options.out == Path("reports") else options.out
            report = write_report(folder, out)
            sys.stdout.write(f"{report.sweep}: {report.page}\n")
            sys.stdout.writelines(f"  {sentence}\n" for sentence in report.sentences)
            sys.stdout.writelines(f"  card {key}: {reason}\n" for key, reason in report.failed_cards.items())
    except MflabError as error:
        sys.stderr.write(f"make_report: {error}\n")
        return 2
    return 0


def find_sweeps(names: Sequence[str], outputs: Path) -> list[Path]:
    """The sweep folders of names or paths; without names every sweep in `outputs`.

    Raises:
        MflabError: a folder does not exist, or there is none.
    """
    if not names:
        found = sorted(path.parent for path in outputs.glob(f"*/{PLAN_FILE}"))
        if not found:
            raise MflabError(f"{outputs} must hold at least one sweep, but has none; run python -m mflab.sweep first.")
        return found
    folders = []
    for name in names:
        folder = next((path for path in (outputs / name, Path(name)) if path.is_dir()), None)
        if folder is None:
            raise MflabError(
                f"Unknown sweep {name!r}: neither {outputs / name} nor {name} is a folder; run the sweep first."
            )
        folders.append(folder)
    return folders


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="analysis/make_report.py", description="Report of finished or running sweeps."
    )
    parser.add_argument(
        "sweeps", nargs="*", metavar="sweep", help="name in the outputs folder, or a folder; default all"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("reports"), metavar="DIR",
        help="report folder; default reports/<sweep>. With several sweeps each gets a folder in it",
    )  # fmt: skip
    parser.add_argument(
        "--outputs", type=Path, default=Path("outputs"), metavar="DIR", help="where sweeps are; default outputs"
    )
    return parser.parse_args(arguments)
