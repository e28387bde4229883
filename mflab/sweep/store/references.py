"""What sweeps reference in a store: the chains of states that their trials are made of."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from mflab.errors import MflabError
from mflab.sweep.store.process import this_process
from mflab.sweep.store.store import Store

REFERENCES_FOLDER = "references"


@dataclass(frozen=True)
class ChainReference:
    """The states that lead to the end of one trial.

    Args:
        trial_id: the trial.
        states: names in order of training; the last is the leaf.
        done: whether the trial needs none of them any more to end.
    """

    trial_id: str
    states: tuple[str, ...]
    done: bool


@dataclass(frozen=True)
class References:
    """What one sweep references.

    Args:
        sweep: its name.
        folder: its absolute folder.
        host: machine that the folder belongs to.
        written: UTC time in ISO format.
        chains: one for each trial.
    """

    sweep: str
    folder: str
    host: str
    written: str
    chains: tuple[ChainReference, ...]

    @property
    def counts(self) -> bool:
        """Whether anybody can still want them: the folder exists, or belongs to another machine."""
        return self.host != this_process().host or Path(self.folder).is_dir()


def register(store: Store, sweep: str, folder: Path, chains: Sequence[ChainReference]) -> None:
    """Writes what a sweep references, in place of what it referenced before.

    Args:
        store: where its states are.
        sweep: name of the sweep.
        folder: its folder; while it exists, the references count.
        chains: one for each trial.
    """
    absolute = str(folder.resolve())
    written = datetime.now(UTC).isoformat(timespec="seconds")
    content = asdict(References(sweep, absolute, this_process().host, written, tuple(chains)))
    digest = hashlib.sha256(absolute.encode()).hexdigest()[:8]
    name = f"{REFERENCES_FOLDER}/{sweep.replace('/', '_')}-{digest}.json"
    store.files.write(name, lambda file: file.write(json.dumps(content).encode()))


def read_references(store: Store) -> list[References]:
    """What all sweeps reference, by name of their files; those that do not count included.

    Raises:
        MflabError: a file of references is damaged.
    """
    found = []
    for name, _ in sorted(store.files.list(REFERENCES_FOLDER)):
        try:
            with store.files.open(name) as file:
                content = json.loads(file.read())
            chains = tuple(
                ChainReference(chain["trial_id"], tuple(chain["states"]), chain["done"]) for chain in content["chains"]
            )
            found.append(References(**content | {"chains": chains}))
        except FileNotFoundError:
            continue
        except (ValueError, KeyError, TypeError) as error:
            raise MflabError(
                f"References of a sweep must be readable, but {name} in {store.url} is damaged ({error}); start that "
                "sweep again, which writes it anew, or remove the file to let its states go."
            ) from error
    return found
