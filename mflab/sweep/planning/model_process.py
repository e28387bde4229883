"""A process that builds models beside a plan: diffusers takes seconds and 0.2 GB to import, and planning needs no more
of a model than its size."""

import os
import signal
import sys
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess

import torch

from mflab.config import RootCfg
from mflab.errors import MflabError
from mflab.model import make_model
from mflab.model.build import preload
from mflab.train import torch_generator

# A fork has imported torch already. Elsewhere it is not safe to go on in one.
CAN_FORK = sys.platform == "linux"


def count_parameters(config: RootCfg, num_views: int) -> int:
    """Parameters of a model, which is built and dropped.

    Args:
        config: of a trial.
        num_views: V.

    Raises:
        MflabError: a setting is impossible or the weights do not fit.
    """
    model = make_model(config.model, config.data.size, num_views, torch_generator(0, "check"))
    return sum(value.numel() for value in model.unet.parameters())


class ModelProcess:
    """Counts parameters as `count_parameters` does, elsewhere. One thread at a time may ask."""

    def __init__(self) -> None:
        self._process: ForkProcess | None = None
        self._questions: Connection | None = None
        self._is_closed = False

    @property
    def is_started(self) -> bool:
        """Whether it was."""
        return self._process is not None

    def start(self) -> None:
        """Lets it load what it will need. To be called while this process has no thread but the main one."""
        context = get_context("fork")
        self._questions, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other, self._questions), daemon=True)
        self._process.start()
        # So that its death is the end of the pipe.
        other.close()

    def count_parameters(self, config: RootCfg, num_views: int) -> int:
        """The same number, or the same error. What the process cannot say is found here."""
        answer: int | str | None = None
        # A process that was killed, for memory perhaps, neither takes nor gives anything.
        with suppress(BrokenPipeError, EOFError, ConnectionResetError):
            if self._questions is not None:
                self._questions.send((config, num_views))
                answer = self._questions.recv()
        if isinstance(answer, str):
            raise MflabError(answer)
        if answer is not None:
            return answer
        if self._is_closed:
            raise MflabError("A model's check must end before its process is closed.")
        return count_parameters(config, num_views)

    def close(self) -> None:
        """Ends the process, whatever it does. Who waits for an answer gets an error."""
        self._is_closed = True
        if self._process is not None:
            self._process.kill()
            self._process.join()


def _serve(questions: Connection, other: Connection) -> None:
    """Answers until nobody asks any more: a number, the text of an error, or None for what only a traceback tells."""
    # Ctrl-C is for the plan, which then ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    other.close()
    # The lock of the sweep folder goes with the plan, and whatever a library prints is no output of the plan's.
    os.closerange(3, questions.fileno())
    os.closerange(questions.fileno() + 1, os.sysconf("SC_OPEN_MAX"))
    os.dup2(2, 1)
    # Threads of a fork's parent do not exist in it.
    torch.set_num_threads(1)
    preload()
    while True:
        try:
            config, num_views = questions.recv()
        except EOFError:
            return
        answer: int | str | None = None
        try:
            answer = count_parameters(config, num_views)
        except MflabError as error:
            answer = str(error)
        except Exception:
            # Found and told by who asked.
            answer = None
        with suppress(BrokenPipeError):
            questions.send(answer)
