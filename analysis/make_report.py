"""Writes the report of a sweep: `python analysis/make_report.py [sweep or folder …] [--out DIR] [--outputs DIR]`."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # The script's own folder is first on the path; the repository's root takes its place, so that `analysis` is a
    # package here as in the tests and its modules cannot shadow others.
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from analysis.command import main

    sys.exit(main())
