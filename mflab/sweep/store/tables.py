"""Tables of what a store holds, who references it and who uses it."""

from collections import Counter, defaultdict

from rich.console import Console
from rich.table import Table

from mflab.sweep.store.drivers import list_drivers, read_driver
from mflab.sweep.store.entry import Kind
from mflab.sweep.store.files import Files
from mflab.sweep.store.process import this_process
from mflab.sweep.store.reading import DAMAGED_FOLDER
from mflab.sweep.store.references import References, read_references
from mflab.sweep.store.store import Store

_UNITS = ("B", "kB", "MB", "GB", "TB")


def size_text(num_bytes: int) -> str:
    """A number of bytes for people.

    Example:
        >>> size_text(999), size_text(14_200_000_000)
        ('999 B', '14.2 GB')
    """
    value, unit = float(num_bytes), 0
    while value >= 999.5 and unit + 1 < len(_UNITS):
        value, unit = value / 1000, unit + 1
    return f"{value:.3g} {_UNITS[unit]}"


def print_contents(store: Store, console: Console) -> dict[str, object]:
    """Prints all tables and returns their totals."""
    sizes = {kind: store.sizes(kind) for kind in Kind}
    references = read_references(store)
    damaged = store.files.list(DAMAGED_FOLDER)
    console.print(_kinds(store, sizes))
    if sizes[Kind.state] or sizes[Kind.history]:
        console.print(_roots(sizes, references))
    if references:
        console.print(_references(references))
    if damaged:
        table = Table("damaged entry, set aside", "size")
        for path, size in damaged:
            table.add_row(path, size_text(size))
        console.print(table)
    drivers = list_drivers(store.files)
    if drivers:
        table = Table("driver", "state")
        for owner in drivers:
            table.add_row(owner, _driver_state(store.files, owner))
        console.print(table)
    return {
        "entries": {kind.name: len(rows) for kind, rows in sizes.items()},
        "bytes": sum(size for rows in sizes.values() for _, size in rows),
        "damaged": len(damaged),
        "references": len(references),
        "drivers": len(drivers),
    }


def _kinds(store: Store, sizes: dict[Kind, list[tuple[str, int]]]) -> Table:
    table = Table("kind", "entries", "size", title=f"Store {store.url}", title_justify="left")
    for kind, rows in sizes.items():
        table.add_row(kind.name, str(len(rows)), size_text(sum(size for _, size in rows)))
    return table


def _roots(sizes: dict[Kind, list[tuple[str, int]]], references: list[References]) -> Table:
    """One row for each first training state, which all states below it share."""
    counts = {kind: Counter(_root(name) for name, _ in rows) for kind, rows in sizes.items()}
    num_bytes = Counter[str]()
    for name, size in sizes[Kind.state]:
        num_bytes[_root(name)] += size
    sweeps: dict[str, set[str]] = defaultdict(set)
    for reference in references:
        if reference.counts:
            for chain in reference.chains:
                for name in chain.states:
                    sweeps[_root(name)].add(reference.sweep)
    table = Table("root", "states", "size", "histories", "divergences", "referenced by")
    for root in sorted(counts[Kind.state] | counts[Kind.history]):
        numbers = (counts[Kind.history][root], counts[Kind.divergence][root])
        users = ", ".join(sorted(sweeps[root])) or "nobody"
        table.add_row(root, str(counts[Kind.state][root]), size_text(num_bytes[root]), *map(str, numbers), users)
    return table


def _references(references: list[References]) -> Table:
    table = Table("sweep", "trials", "done", "written", "folder")
    for reference in references:
        done = sum(chain.done for chain in reference.chains)
        if not reference.counts:
            note = " (gone: does not count)"
        elif reference.host != this_process().host:
            note = f" (on {reference.host})"
        else:
            note = ""
        numbers = (str(len(reference.chains)), str(done))
        table.add_row(reference.sweep, *numbers, reference.written, reference.folder + note)
    return table


def _driver_state(files: Files, owner: str) -> str:
    try:
        record = read_driver(files, owner)
    except ValueError:
        return "its file is damaged"
    if record is None:
        return "left just now"
    process, here = record.process, this_process()
    if process.has_ended:
        return "dead"
    if process.boot and (process.host, process.boot, process.namespace) == (here.host, here.boot, here.namespace):
        return f"alive: {process}"
    return f"cannot be seen from here: {process}"


def _root(name: str) -> str:
    return name.partition("/")[0]
