"""Is there any effect at all? F tests on least squares with seed blocks, sum contrasts and Type II sums of squares."""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api as sm
from statsmodels.formula.api import ols

from analysis.load import Sweep
from analysis.race import replay_race, unselected_seeds
from mflab.errors import MflabError


@dataclass(frozen=True)
class Term:
    """A line of the analysis of variance."""

    name: str
    df: float
    f: float | None
    p_value: float | None


@dataclass(frozen=True)
class Omnibus:
    """The test of all factor terms together, then term by term (Type II)."""

    f: float
    df: tuple[float, float]
    p_value: float
    n: int
    terms: tuple[Term, ...]
    residual_sd: float
    has_interactions: bool


def omnibus_test(sweep: Sweep) -> Omnibus:
    """The F test of "no factor changes the declared response", seeds as blocks.

    Two-way interactions enter when the design has the runs to estimate them. Of a race only those seeds enter that no
    arm was dropped before: what came later was chosen by what was seen.

    Raises:
        MflabError: no factors, an arm whose seeds all give the same number, or too few done trials to leave residual
            degrees of freedom.
    """
    names = sweep.factor_names
    if not names:
        raise MflabError("The sweep has no factors, so there is no effect to test.")
    table = sweep.done[["seed", *names, sweep.response]]
    table = table[table[sweep.response].abs() < float("inf")]
    if table.empty:
        raise MflabError(f"{sweep.why_empty}, so there is no effect to test.")
    table = table[table["seed"].isin(unselected_seeds(sweep, replay_race(sweep)))]
    _check_spread(sweep, table)
    # Neutral column names, because factor names need not be valid in a formula.
    columns = {name: f"f{index}" for index, name in enumerate(names)}
    data = pd.DataFrame(table.rename(columns={**columns, "seed": "block", sweep.response: "y"}))
    varying = {name: column for name, column in columns.items() if data[column].nunique() > 1}
    if not varying:
        raise MflabError("No factor varies over the done trials, so there is no effect to test.")
    blocks = ["C(block, Sum)"] if data["block"].nunique() > 1 else []
    mains = {f"C({column}, Sum)": name for name, column in varying.items()}
    pairs = {f"{a}:{b}": f"{mains[a]} × {mains[b]}" for a, b in itertools.combinations(mains, 2)}
    for terms in ({**mains, **pairs}, mains):
        model: Any = ols("y ~ " + " + ".join([*terms, *blocks]), data)
        num_rows, num_columns = model.exog.shape
        if np.linalg.matrix_rank(model.exog) == num_columns < num_rows:
            return _summarise(model.fit(), ols("y ~ " + " + ".join(["1", *blocks]), data).fit(), terms, len(data))
    raise MflabError(
        f"The F test needs more done trials than parameters, but {len(data)} trials are done; "
        "finish the sweep or add seeds."
    )


def _check_spread(sweep: Sweep, table: pd.DataFrame) -> None:
    """Refuses arms without spread: they would shrink the residual of every arm, and with it every p value."""
    for (*levels,), values in table.groupby(list(sweep.factor_names), sort=False)[sweep.response]:
        if len(values) > 1 and values.nunique() == 1:
            arm = sweep.label_of({name: str(level) for name, level in zip(sweep.factor_names, levels, strict=True)})
            raise MflabError(
                f"The F test needs seeds that vary within every arm, but all {len(values)} seeds of {arm} give the "
                f"same {sweep.response}; train that arm, or judge it without the test."
            )


def _summarise(fit: Any, blocks_only: Any, terms: dict[str, str], n: int) -> Omnibus:
    f, p, df = fit.compare_f_test(blocks_only)
    table = sm.stats.anova_lm(fit, typ=2)
    rows = [
        Term(terms[str(index)], float(row["df"]), float(row["F"]), float(row["PR(>F)"]))
        for index, row in table.iterrows()
        if str(index) in terms
    ]
    return Omnibus(
        f=float(f),
        df=(float(df), float(fit.df_resid)),
        p_value=float(p),
        n=n,
        terms=tuple(rows),
        residual_sd=float(fit.mse_resid) ** 0.5,
        has_interactions=any(":" in term for term in terms),
    )
