"""The store of a project: training states, histories and evaluations under content-derived names."""

from mflab.sweep.store.collect import Collected, collect, collectable, make_room
from mflab.sweep.store.entry import Entry, Kind
from mflab.sweep.store.files import Files, LocalFiles, open_files
from mflab.sweep.store.full import StoreFull
from mflab.sweep.store.leases import Leases
from mflab.sweep.store.reading import Damage
from mflab.sweep.store.references import ChainReference, References, read_references, register
from mflab.sweep.store.store import Store

__all__ = [
    "ChainReference",
    "Collected",
    "Damage",
    "Entry",
    "Files",
    "Kind",
    "Leases",
    "LocalFiles",
    "References",
    "Store",
    "StoreFull",
    "collect",
    "collectable",
    "make_room",
    "open_files",
    "read_references",
    "register",
]
