"""From a command line to the plan of a sweep, and what is left of it."""
