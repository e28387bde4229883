import re

from hypothesis import example, given
from hypothesis import strategies as st

from analysis.glossary import GLOSSARY, counted, number
from mflab.metrics import METRICS

values = st.floats(-1e4, 1e4)
units = st.sampled_from(["dB", "s", "GB", ""])


def test_every_metric_is_in_the_glossary() -> None:
    assert set(METRICS) <= set(GLOSSARY)


def test_the_glossary_says_what_the_metrics_say() -> None:
    for name, info in METRICS.items():
        meaning = GLOSSARY[name]
        assert (meaning.direction.name, meaning.unit, meaning.definition) == info


@given(values, units, st.booleans())
@example(-0.0, "dB", True)
@example(-1e-12, "dB", False)
@example(-0.004, "dB", True)
def test_zero_has_no_sign_and_no_number_is_hidden(value: float, unit: str, signed: bool) -> None:
    text = number(value, unit, signed=signed)
    if re.fullmatch(r"[+−]?0\.0+", text):
        assert text in ("0.00", "0.0000")
        assert abs(value) <= 5e-7
    shown = float(text.replace("−", "-"))
    assert abs(shown - value) <= max(5.01e-7, min(0.00501, 0.051 * abs(value) if abs(value) < 0.01 else 0.00501))
    assert shown * value >= 0


def test_numbers_keep_the_decimals_of_their_unit() -> None:
    assert [number(0.01, "dB"), number(123.456, "s"), number(0.5)] == ["0.01", "123.46", "0.5000"]
    assert [number(0.0042, "s"), number(0.00042, "s"), number(-0.0042, "dB", signed=True)] == [
        "0.0042",
        "0.00042",
        "−0.0042",
    ]


def test_one_of_a_kind_is_singular() -> None:
    assert [counted(n, "look") for n in (0, 1, 2)] == ["0 looks", "1 look", "2 looks"]
