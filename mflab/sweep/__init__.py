"""Sweeps: plan, ledger, trials, and Ray Tune as the scheduler, which only `runner*` and `searchers*` know."""
