"""The stage forest against the set of all prefixes, and the legs of a trial against all ways to walk them."""

import itertools
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from mflab.sweep.stages.chain import Chain
from mflab.sweep.stages.forest import Forest, make_forest, plan_legs

# A trial as its root and one letter a step.
TRIALS = st.dictionaries(
    st.sampled_from([f"t{number}" for number in range(8)]),
    st.tuples(st.sampled_from("pq"), st.text("ab", max_size=7)),
    max_size=8,
)


def chains_of(trials: dict[str, tuple[str, str]]) -> dict[str, Chain]:
    return {
        trial: Chain(root * 16, "initial", b"".join(letter.encode() * 32 for letter in steps))
        for trial, (root, steps) in trials.items()
    }


def prefixes(trials: dict[str, tuple[str, str]]) -> set[tuple[str, str]]:
    """Every step of every trial, told by all that came before it."""
    return {(root, steps[:end]) for root, steps in trials.values() for end in range(1, len(steps) + 1)}


def path_of(forest: Forest, trial: str) -> list[tuple[int, int]]:
    return [(forest.nodes[name].start, forest.nodes[name].end) for name in forest.paths[trial]]


@given(TRIALS)
def test_forest_has_every_distinct_step_once(trials: dict[str, tuple[str, str]]):
    assert make_forest(chains_of(trials)).num_steps == len(prefixes(trials))


@given(TRIALS)
def test_path_of_a_trial_is_its_steps_without_gap_or_overlap(trials: dict[str, tuple[str, str]]):
    forest = make_forest(chains_of(trials))
    assert set(forest.paths) == set(trials)
    for trial, (_, steps) in trials.items():
        bounds = [0, *itertools.chain.from_iterable(path_of(forest, trial)), len(steps)]
        assert bounds[::2] == bounds[1::2]


@given(TRIALS)
def test_nodes_are_named_by_the_states_they_make_and_know_who_passes(trials: dict[str, tuple[str, str]]):
    chains = chains_of(trials)
    forest = make_forest(chains)
    for name, node in forest.nodes.items():
        assert name == node.name
        assert node.trials == tuple(trial for trial in trials if chains[trial].passes(name))
        for trial in node.trials:
            assert chains[trial].name(node.end) == name
            assert node.parent == (chains[trial].name(node.start) if node.start else "")


@given(TRIALS)
def test_stages_end_only_where_a_trial_leaves(trials: dict[str, tuple[str, str]]):
    for node in make_forest(chains_of(trials)).nodes.values():
        passing = [trials[trial][1] for trial in node.trials]
        after = {steps[node.end : node.end + 1] for steps in passing}
        assert len(after) > 1 or after == {""}


@given(TRIALS)
def test_parents_stand_before_children_and_heights_are_those_of_the_longest_path(trials: dict[str, tuple[str, str]]):
    forest = make_forest(chains_of(trials))
    seen = {""}
    for name, node in forest.nodes.items():
        assert node.parent in seen
        seen.add(name)
        assert forest.heights[name] == max(len(trials[trial][1]) for trial in node.trials) - node.start


@given(TRIALS, st.randoms(use_true_random=False))
def test_order_of_the_trials_changes_nothing_but_the_order(trials: dict[str, tuple[str, str]], random):
    shuffled = list(trials.items())
    random.shuffle(shuffled)
    one, other = make_forest(chains_of(trials)), make_forest(chains_of(dict(shuffled)))
    assert (one.paths, one.heights) == (other.paths, other.heights)
    for name, node in one.nodes.items():
        assert set(node.trials) == set(other.nodes[name].trials)


def fewest_steps(stored: Sequence[int], targets: Sequence[int]) -> int:
    """By trying, for every target, every state to start from: what is stored, the beginning, or where one just is."""

    def best(place: int, left: Sequence[int]) -> int:
        if not left:
            return 0
        starts = [start for start in {0, place, *stored} if start <= left[0]]
        return min(left[0] - start + best(left[0], left[1:]) for start in starts)

    return best(0, targets)


@given(st.sets(st.integers(1, 12)), st.sets(st.integers(0, 12), max_size=5))
def test_legs_visit_every_target_with_the_fewest_steps(stored: set[int], targets: set[int]):
    ordered = sorted(targets)
    legs = plan_legs(stored, ordered)
    assert [leg.end for leg in legs] == ordered
    assert sum(leg.end - leg.start for leg in legs) == fewest_steps(sorted(stored), ordered)
    place = None
    for leg in legs:
        assert leg.start in {0, *stored} if leg.loads else leg.start == place
        place = leg.end
