"""Runs commands one after another, each in a fork of one process that has imported everything: imports take longer than
most commands. Reads a command per line, answers each with its exit status; output goes to standard error."""

import os
import runpy
import shlex
import sys

import mflab.metrics.command
import mflab.prompts.__main__
import mflab.sweep.command
import mflab.sweep.search.search_agenda  # noqa: F401  searches import it when they start
from mflab.model.build import preload


def main() -> None:
    preload()
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            os._exit(run(line))
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def run(command: str) -> int:
    """The exit status of `python -m module ...` or `python script ...`."""
    _, *arguments = shlex.split(os.path.expandvars(command))
    os.dup2(2, 1)
    try:
        if arguments[0] == "-m":
            sys.argv = arguments[1:]
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = arguments
            sys.path.insert(0, os.path.dirname(arguments[0]))
            runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    finally:
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    main()
