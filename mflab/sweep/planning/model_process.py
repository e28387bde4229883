"""A process that builds models beside a plan: diffusers takes seconds and 0.2 GB to import, and planning needs no more
of a model than its size.

Importing this takes torch and little else, so that a command can start the process before it loads the rest of itself.
"""

import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess

import torch

from mflab.errors import MflabError
from mflab.model import ModelCfg, make_model
from mflab.model.build import preload

# A fork has imported torch already. Elsewhere it is not safe to go on in one.
CAN_FORK = sys.platform == "linux"


def count_parameters(cfg: ModelCfg, image_size: int, num_views: int) -> int:
    """Parameters of a model, which is built and dropped.

    Args:
        cfg: the model's settings.
        image_size: image height and width, pixels.
        num_views: V.

    Raises:
        MflabError: a setting is impossible or the weights do not fit.
    """
    model = make_model(cfg, image_size, num_views, torch.Generator())
    return sum(value.numel() for value in model.unet.parameters())


class ModelProcess:
    """Counts parameters as `count_parameters` does, elsewhere. One thread at a time may ask.

    Attributes:
        is_started: `start` was called, whether or not the system had a process to give.
    """

    def __init__(self) -> None:
        self.is_started = False
        self._process: ForkProcess | None = None
        self._questions: Connection | None = None
        self._is_closed = False

    def start(self) -> None:
        """Lets it load what it will need. To be called before this process starts threads of its own."""
        self.is_started = True
        context = get_context("fork")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, ours), daemon=True)
        try:
            with _quietly():
                process.start()
        except OSError:
            # No more processes for this user, or no memory: what is asked is found here.
            ours.close()
        else:
            self._process, self._questions = process, ours
        finally:
            # So that the death of the process is the end of the pipe.
            theirs.close()

    def count_parameters(self, cfg: ModelCfg, image_size: int, num_views: int) -> int:
        """The same number, or the same error. What the process cannot say is found here."""
        answer: int | str | None = None
        # A process that was killed, for memory perhaps, neither takes nor gives anything.
        with suppress(BrokenPipeError, EOFError, ConnectionResetError):
            if self._questions is not None:
                self._questions.send((cfg, image_size, num_views))
                answer = self._questions.recv()
        if isinstance(answer, str):
            raise MflabError(answer)
        if answer is not None:
            return answer
        if self._is_closed:
            raise MflabError("A model's check must end before its process is closed.")
        return count_parameters(cfg, image_size, num_views)

    def close(self) -> None:
        """Ends the process, whatever it does. Who waits for an answer of it gets an error."""
        self._is_closed = True
        if self._process is not None:
            self._process.kill()
            self._process.join()


@contextmanager
def _quietly() -> Iterator[None]:
    """Forks without a word: no Ctrl-C before the fork ignores it, and no warning of threads that libraries keep."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(questions: Connection, of_parent: Connection) -> None:
    """Answers until nobody asks any more: a number, the text of an error, or None for what only a traceback tells."""
    # Ctrl-C is for the plan, which then ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    of_parent.close()
    # The lock of the sweep folder goes with the plan, and whatever a library prints is no output of the plan's.
    for descriptor in {int(name) for name in os.listdir("/proc/self/fd")} - {0, 1, 2, questions.fileno()}:
        with suppress(OSError):
            os.close(descriptor)
    os.dup2(2, 1)
    # A fork has none of the threads that libraries keep, and must not wait for them.
    torch.set_num_threads(1)
    preload()
    with suppress(EOFError, ConnectionResetError, BrokenPipeError):
        while True:
            questions.send(_answer(*questions.recv()))


def _answer(cfg: ModelCfg, image_size: int, num_views: int) -> int | str | None:
    try:
        return count_parameters(cfg, image_size, num_views)
    except MflabError as error:
        return str(error)
    except Exception:
        # Found and told by who asked.
        return None
