"""Overrides as text: levels written for the command line, and the refusal of overrides that a factor would hide."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from mflab.config import choice_keys
from mflab.errors import MflabError

COMMAND = "python -m mflab.sweep"
# Texts that need no quotes on the command line and are read as text, not as a number, a boolean or null.
_PLAIN_TEXT = re.compile(r"(?!(?:true|false|null|nan|inf)$)[A-Za-z_][A-Za-z0-9_./-]*", re.IGNORECASE)


def format_override(key: str, value: object) -> str:
    """An override that gives `value` back with its type.

    Example:
        >>> [format_override("a.b", value) for value in ("single", "true", 1e-05, True, [1, 2])]
        ['a.b=single', "a.b='true'", 'a.b=1e-05', 'a.b=true', 'a.b=[1,2]']
    """
    return f"{key}={_format_value(value)}"


def _format_value(value: object) -> str:
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        return value if _PLAIN_TEXT.fullmatch(value) else f"'{escaped}'"
    if isinstance(value, list | tuple):
        return f"[{','.join(_format_value(item) for item in value)}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_format_value(item)}" for key, item in value.items()) + "}"
    return json.dumps(value)


def split_override(override: str) -> tuple[str, str]:
    """Key and value text of an override.

    Example:
        >>> split_override("++optim.lr=1e-3"), split_override("~data")
        (('optim.lr', '1e-3'), ('data', ''))
    """
    key, _, value = override.partition("=")
    return key.lstrip("+~").partition("@")[0], value


@contextmanager
def told_by_factor(owners: Mapping[str, str], place: str) -> Iterator[None]:
    """Adds to an error that says to set a factor's key where its levels are: the key itself belongs to the factor.

    Args:
        owners: config key -> whom it belongs to.
        place: where the levels are.
    """
    try:
        yield
    except MflabError as error:
        for key, owner in owners.items():
            if re.search(rf"\bset {re.escape(key)}(?!\w|\.\w)", str(error)):
                raise MflabError(f"{error} {key} belongs to {owner}; change its levels in {place}.") from error
        raise


def check_overrides(overrides: Sequence[str], owners: Mapping[str, str], place: str) -> None:
    """Refuses an override of what the sweep itself sets: a factor's key, a part of it, a group that holds it, the seed.

    A group choice that leaves the factor's key alone is allowed: `prompts=clip` beside a factor on `prompts.style`.

    Args:
        overrides: the command line.
        owners: config key -> who sets it, in words.
        place: config key of what sets them.

    Raises:
        MflabError: names the factor and the key.
    """
    for override in overrides:
        key, value = split_override(override)
        if key == "seed":
            raise MflabError(f"The sweep sets seeds, one per block, but got {override}; set sweep.seeds=[{value}].")
        set_by_choice = choice_keys(key, value)
        for owned, owner in owners.items():
            if key == owned or any(_overlap(one, owned) for one in ([key] if set_by_choice is None else set_by_choice)):
                raise MflabError(
                    f"{owned} belongs to {owner} of the sweep, which sets its levels, but got {override}; drop the "
                    f"override, or change {place}."
                )


def _overlap(key: str, owned: str) -> bool:
    return key == owned or key.startswith(f"{owned}.") or owned.startswith(f"{key}.")


def repeat_command(overrides: Sequence[str], trial_id: str = "") -> str:
    """The command that goes on with a sweep, or repeats one trial of it.

    Example:
        >>> repeat_command(["+sweep=smoke", "optim.lr=1e-3"], "0123")
        'python -m mflab.sweep +sweep=smoke optim.lr=1e-3 sweep.only=0123'
        >>> repeat_command(["sweep.only=0123", "sweep.dry_run=true"])
        'python -m mflab.sweep sweep.only=0123'
    """
    dropped = ("sweep.dry_run", *(["sweep.only"] if trial_id else []))
    kept = [override for override in overrides if split_override(override)[0] not in dropped]
    only = [f"sweep.only={trial_id}"] if trial_id else []
    return " ".join([COMMAND, *(shlex.quote(part) for part in [*kept, *only])])
