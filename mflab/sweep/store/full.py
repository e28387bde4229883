"""The error of a store without room, however deep the full disk was met."""

import errno
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mflab.errors import MflabError

_FULL = (errno.ENOSPC, errno.EDQUOT)


class StoreFull(MflabError):
    """The store, its budget or its disk has no room for what was to be written."""


class BudgetFull(StoreFull):
    """The store's budget has no room, whatever its disk has."""


def remedy(url: str) -> str:
    """What makes room in a store."""
    return f"run `python -m mflab.sweep.store gc {shlex.quote(url)}`, raise store.budget_gb, or free disk"


@contextmanager
def full_disk_is_store_full(url: str) -> Iterator[None]:
    """Turns a full disk or quota, met by whatever runs inside, into `StoreFull`.

    Raises:
        StoreFull: the system said so, be it to a library that then raised an error of its own.
    """
    # What the caller is handling right now is part of every chain of errors, and none of this one's doing.
    handled = sys.exc_info()[1]
    try:
        yield
    except StoreFull:
        raise
    except Exception as error:
        cause = full_disk(error, handled)
        if cause is None:
            raise
        raise StoreFull(
            f"A store must have room for what is written, but the disk of {url} is full ({cause.strerror}); "
            f"{remedy(url)}."
        ) from error


def full_folder(folder: Path, cause: OSError) -> StoreFull:
    """The error of a sweep folder whose disk takes no more."""
    return StoreFull(
        f"A sweep folder must have room for what happens, but the disk of {folder} is full ({cause}); free disk."
    )


def full_disk(error: BaseException | None, handled: BaseException | None = None) -> OSError | None:
    """The full disk or quota behind an error; None if it has another cause.

    Args:
        error: the error.
        handled: where its chain ends: what was being handled when it came up.

    Example:
        >>> full_disk(OSError(errno.ENOSPC, "No space left on device")).strerror, full_disk(ValueError())
        ('No space left on device', None)
    """
    while error is not None and error is not handled:
        if isinstance(error, OSError) and error.errno in _FULL:
            return error
        # torch closes its archive on the way out and hides the first error behind a RuntimeError.
        error = error.__cause__ or error.__context__
    return None
