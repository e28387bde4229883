from analysis.glossary import GLOSSARY
from mflab.metrics import METRICS


def test_every_metric_is_in_the_glossary() -> None:
    assert set(METRICS) <= set(GLOSSARY)


def test_the_glossary_says_what_the_metrics_say() -> None:
    for name, info in METRICS.items():
        meaning = GLOSSARY[name]
        assert (meaning.direction.name, meaning.unit, meaning.definition) == info
