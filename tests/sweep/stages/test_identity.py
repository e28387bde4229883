"""Ids: the hash of a treatment, whichever way it is put together."""

import json

from hypothesis import given
from hypothesis import strategies as st

from mflab.config import fingerprint
from mflab.sweep.stages.identity import ID_LENGTH, id_under_seed

values = st.recursive(
    st.booleans() | st.integers() | st.text() | st.sampled_from(['"seed": null', "seed", "null"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "seed", "z"]), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["data", "train", "validation"]), values), st.integers(0))
def test_an_id_is_the_fingerprint_of_all_values_with_their_seed(treatment: dict[str, object], seed: int) -> None:
    identity = json.dumps({**treatment, "seed": None}, sort_keys=True)
    assert id_under_seed(identity, seed) == fingerprint({**treatment, "seed": seed})[:ID_LENGTH]
