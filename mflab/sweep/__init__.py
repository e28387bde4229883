"""Sweeps: plan, ledger, trials, and Ray Tune as the scheduler, which only the runner and its searcher know."""
