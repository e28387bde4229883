"""JSON of records: the values of the standard library, and every malformed value named by its place."""

import dataclasses
import json
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mflab.errors import MflabError
from mflab.results import Direction, ViewRecord
from mflab.results.decode import decode
from mflab.results.encode import encode


@dataclass(frozen=True)
class Branch:
    """Every kind of field that a record may have."""

    flag: bool
    count: int
    share: float
    direction: Direction
    text: str | None
    limits: tuple[float, ...]
    names: tuple[str, ...]
    leaves: tuple[ViewRecord, ...]
    table: dict[str, ViewRecord]
    free: dict[str, Any]


def as_json(record: object) -> Any:
    def name(value: object) -> str:
        assert isinstance(value, Enum)
        return value.name

    return json.loads(json.dumps(dataclasses.asdict(record), default=name))  # pyright: ignore[reportArgumentType]


numbers = st.floats(allow_nan=False, allow_infinity=False)
views = st.builds(ViewRecord, st.text(), numbers, numbers)
scalars = st.none() | st.booleans() | st.integers() | numbers | st.text() | st.sampled_from(Direction)
values = st.recursive(
    scalars | views,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text() | st.integers() | st.booleans() | st.none(), inner, max_size=3)
    ),
    max_leaves=12,
)
branches = st.builds(
    Branch,
    flag=st.booleans(),
    count=st.integers(),
    share=numbers,
    direction=st.sampled_from(Direction),
    text=st.none() | st.text(),
    limits=st.lists(numbers, max_size=3).map(tuple),
    names=st.lists(st.text(), max_size=3).map(tuple),
    leaves=st.lists(views, max_size=3).map(tuple),
    table=st.dictionaries(st.text(), views, max_size=2),
    free=st.dictionaries(st.text(), values, max_size=4),
)


@given(branches)
def test_values_are_those_of_the_standard_library_in_the_order_of_the_fields(branch: Branch) -> None:
    text = encode(branch)
    assert json.loads(text) == as_json(branch) and list(json.loads(text)) == list(vars(branch))
    assert text.startswith("{\n") and text.endswith("\n}\n")


def test_every_element_of_a_field_has_a_line() -> None:
    views, table = tuple(ViewRecord(name, 0.0, 1.0) for name in "abc"), {"x": ViewRecord("d", 0.0, 1.0)}
    lines = encode(Branch(True, 1, 0.5, Direction.lower, None, (1.0, 2.0), (), views, table, {})).splitlines()
    assert lines[6:9] == ['  "limits": [1.0, 2.0],', '  "names": [],', '  "leaves": [']
    assert [json.loads(line.rstrip(","))["name"] for line in lines[9:12]] == ["a", "b", "c"]
    assert lines[12:16] == ["  ],", '  "table": {', f'    "x": {json.dumps(vars(table["x"]))}', "  },"]


@given(branches)
def test_decode_inverts_encode(branch: Branch) -> None:
    branch = dataclasses.replace(branch, free={"plain": [1, 2.5, None, {"a": "b"}]})
    assert decode(Branch, json.loads(encode(branch)), "b.json") == branch


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"limits": [1.0, True]}, r"b\.json\.limits\[1\] must be float, but got True"),
        ({"names": ["a", 1]}, r"b\.json\.names\[1\] must be str, but got 1"),
        ({"leaves": [3]}, r"b\.json\.leaves\[0\] must be an object, but got 3"),
        ({"table": {"x": {"name": "front"}}}, r"b\.json\.table\.x misses field azimuth_deg, elevation_deg; a ViewRec"),
        ({"table": []}, r"b\.json\.table must be dict\[str, .*ViewRecord\], but got \[\]"),
        ({"count": True}, r"b\.json\.count must be int, but got True"),
        ({"direction": ["higher"]}, r"b\.json\.direction must be Direction, but got \['higher'\]"),
        ({"text": 1}, r"b\.json\.text must be str, but got 1"),
    ],
)
def test_a_malformed_value_is_named_by_its_place(change: dict[str, Any], message: str) -> None:
    branch = Branch(True, 1, 0.5, Direction.lower, None, (1.0,), (), (), {}, {})
    with pytest.raises(MflabError, match=message):
        decode(Branch, {**json.loads(encode(branch)), **change}, "b.json")


def test_whole_numbers_become_floats_where_floats_belong() -> None:
    decoded = decode(ViewRecord, {"name": "front", "azimuth_deg": 0, "elevation_deg": 1.5}, "v.json")
    assert repr(decoded) == "ViewRecord(name='front', azimuth_deg=0.0, elevation_deg=1.5)"


def test_values_that_are_not_plain_are_refused() -> None:
    with pytest.raises(TypeError, match="plain values only"):
        encode(Branch(True, 1, 0.5, Direction.lower, None, (), (), (), {}, {"x": {"y": object()}}))
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode(Branch(True, 1, 0.5, Direction.lower, None, (float("inf"),), (), (), {}, {}))


@dataclass(frozen=True)
class Grown:
    """A record to which a field was added in a later version."""

    name: str
    added: dict[str, Any] | None = field(default=None, hash=False)


def test_a_record_of_an_earlier_version_gets_the_defaults_of_what_was_added() -> None:
    assert decode(Grown, {"name": "a"}, "g.json") == Grown("a", None)
    for grown in (Grown("a"), Grown("a", {}), Grown("a", {"x": 0.5})):
        assert decode(Grown, json.loads(encode(grown)), "g.json") == grown
    with pytest.raises(MflabError, match=r"g\.json misses field name; a Grown has name, added"):
        decode(Grown, {"added": None}, "g.json")
    with pytest.raises(MflabError, match=r"g\.json has unknown field other"):
        decode(Grown, {"name": "a", "other": 1}, "g.json")
    with pytest.raises(MflabError, match=r"g\.json\.added must be dict"):
        decode(Grown, {"name": "a", "added": []}, "g.json")
