"""Designs of experiments: factors, cells, seeds as blocks, audit before the run, power. Pure, on numpy and scipy."""

from mflab.design.aliasing import PairAudit
from mflab.design.audit import Audit, audit_design
from mflab.design.designs import (
    DESIGNS,
    Cell,
    Run,
    full_factorial,
    make_design,
    one_factor,
    replicate,
    run_order,
)
from mflab.design.factors import Factor, Level, level_name, parse_factors
from mflab.design.power import mde, paired_power, pairs_needed

__all__ = [
    "DESIGNS",
    "Audit",
    "Cell",
    "Factor",
    "Level",
    "PairAudit",
    "Run",
    "audit_design",
    "full_factorial",
    "level_name",
    "make_design",
    "mde",
    "one_factor",
    "paired_power",
    "pairs_needed",
    "parse_factors",
    "replicate",
    "run_order",
]
