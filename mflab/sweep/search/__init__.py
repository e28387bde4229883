"""Searches: Optuna suggests, the sweep's machinery trains."""
