"""A process that builds models beside a plan: diffusers takes seconds and 0.2 GB to import, and planning needs no more
of a model than its size."""

import os
import pickle
import subprocess
import sys
from contextlib import suppress

from mflab.config import RootCfg
from mflab.errors import MflabError
from mflab.model import make_model
from mflab.model.build import preload
from mflab.train import torch_generator


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
        self._process: subprocess.Popen[bytes] | None = None
        self._is_closed = False

    def start(self) -> None:
        """Lets it load what it will need."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)},
            # Ctrl-C is for the plan, which then closes this.
            start_new_session=True,
        )

    def count_parameters(self, config: RootCfg, num_views: int) -> int:
        """The same number, or the same error. What the process cannot say is found here."""
        if self._process is None:
            self.start()
        answer = self._ask(pickle.dumps((config, num_views)))
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
            # What it did not read any more cannot be written.
            with suppress(BrokenPipeError), self._process:
                pass

    def _ask(self, request: bytes) -> int | str | None:
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None
        # A process that was killed, for memory perhaps, neither takes nor gives anything.
        with suppress(BrokenPipeError, EOFError):
            process.stdin.write(request)
            process.stdin.flush()
            return pickle.load(process.stdout)
        return None


def serve() -> None:
    """Answers until nobody asks any more: a number, the text of an error, or None for what only a traceback tells."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # Whatever a library prints must not stand among the answers.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    preload()
    while True:
        try:
            config, num_views = pickle.load(sys.stdin.buffer)
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
            pickle.dump(answer, answers)
            answers.flush()


if __name__ == "__main__":
    serve()
