"""The error that the command line prints without a traceback."""


class MflabError(ValueError):
    """A user's mistake: the message states the constraint, the value found and the remedy."""
