"""`python -m mflab.metrics COMMAND`; see `mflab.metrics.command`."""

import sys

from mflab.launch import leave, quick_imports


def main() -> int:
    """Exit status of the command; an interruption while it still loads has nothing to save."""
    try:
        with quick_imports():
            from mflab.metrics.command import main
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted before anything began.\n")
        return 130
    return main()


if __name__ == "__main__":
    leave(main())
