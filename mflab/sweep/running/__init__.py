"""The driver: hands out what is left, to workers on Ray Tune, and tells what became of it."""
