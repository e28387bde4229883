"""`python -m mflab.sweep [overrides]`; see `mflab.sweep.command`."""

import sys
from contextlib import ExitStack

from mflab.launch import leave, quick_imports


def main() -> int:
    """Exit status of the command; an interruption while it still loads has nothing to save."""
    with ExitStack() as resources:
        try:
            with quick_imports():
                from mflab.sweep.planning.model_process import CAN_FORK, ModelProcess

                # What building a model takes is loaded beside the command, not after it.
                models = ModelProcess()
                resources.callback(models.close)
                if CAN_FORK:
                    models.start()
                from mflab.sweep.command import main
        except KeyboardInterrupt:
            sys.stderr.write("Interrupted before anything began.\n")
            return 130
        return main(models=models)


if __name__ == "__main__":
    leave(main())
