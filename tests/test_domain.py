import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nstk.domain import Interval, domain_from_mapping, parse_domain
from nstk.errors import UsageError

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,12}", fullmatch=True)
ENDS = st.floats(-1e30, 1e30, allow_nan=False).filter(lambda value: abs(value) > 1e-20 or value == 0)


@st.composite
def intervals(draw: st.DrawFn) -> Interval:
    lo, hi = sorted((draw(ENDS), draw(ENDS)))
    if hi - lo < max(1e-20, 1e-5 * max(abs(lo), abs(hi))):
        lo, hi = 1.0, 2.0
    return Interval(lo, hi, lo > 0 and draw(st.booleans()))


def test_the_documented_syntax() -> None:
    assert parse_domain("t=-20:60, rh=1:100 log") == {"t": Interval(-20, 60), "rh": Interval(1, 100, log=True)}
    assert parse_domain("x=1e-3:.5") == {"x": Interval(0.001, 0.5)}
    assert parse_domain(" a = 0 : 1 ,b=+2:3.") == {"a": Interval(0, 1), "b": Interval(2, 3)}


@given(st.dictionaries(NAMES, intervals(), min_size=1, max_size=6), st.sampled_from(["", " ", "  ", "\t", "\n "]))
def test_text_round_trip(domain: dict[str, Interval], space: str) -> None:
    clauses = [
        f"{space}{name}{space}={space}{i.lo!r}{space}:{space}{i.hi!r}{' log' if i.log else ''}{space}"
        for name, i in domain.items()
    ]
    assert parse_domain(",".join(clauses)) == domain


@given(st.dictionaries(NAMES, intervals(), max_size=6))
def test_mapping_round_trip(domain: dict[str, Interval]) -> None:
    table = {n: f"{i.lo!r}:{i.hi!r} log" if i.log else [i.lo, i.hi] for n, i in domain.items()}
    assert domain_from_mapping(table) == domain


@given(st.text(st.sampled_from("xyt=:,.0123456789-+e logINFnan_;\n\t\0é٣[]\"'"), max_size=40) | st.text(max_size=40))
def test_junk_raises_usage_errors_only(text: str) -> None:
    try:
        found = parse_domain(text)
    except UsageError as error:
        caught = error
    else:
        assert found
        return
    assert caught.hint
    assert len(caught.message.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot read"),
        ("x", "cannot read"),
        ("x=1", "cannot read"),
        ("x=1:2,", "cannot read"),
        ("x=1:2:3", "cannot read"),
        ("x=1:2 3", "unknown scale '3'"),
        ("x=1:2 cubic", "unknown scale 'cubic'"),
        ("9x=1:2", "cannot read"),
        ("x=low:2", "'low' in domain clause 'x=low:2' is not a number"),
        ("x=0:1, x=0:2", "names 'x' twice"),
        ("x=1:1", "empty"),
        ("x=2:1", "empty"),
        ("x=nan:1", "not a number"),
        ("x=0:inf", "not a number"),
        ("x=0:1e999", "not finite"),
        ("x=1:1.0000001", "float32"),
        ("t=0:1, rh=5:2", "domain rh=5:2 is empty"),
        ("x=0:1e31", "float32"),
        ("x=0:1e-31", "float32"),
        ("x=0:1 log", "positive lower end"),
        ("x=-1:1 log", "positive lower end"),
        ("x=1_0:20", "not a number"),
        ("x=٣:20", "not a number"),
        ("é=1:20", "cannot read"),
    ],
)
def test_bad_domains_are_named(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_domain(text)
    assert message in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    "value",
    [1, None, [1], [1, 2, 3], ["a", "b"], "1", [2, 1], {"lo": 1}, [True, False], [False, True], "a=1:2", "0:1, y=0:1"],
)
def test_bad_tables_are_named(value: object) -> None:
    with pytest.raises(UsageError):
        domain_from_mapping({"x": value})


def test_table_errors_name_the_input() -> None:
    with pytest.raises(UsageError, match="rh=high"):
        domain_from_mapping({"t": [0, 1], "rh": "high"})


@pytest.mark.parametrize("ends", [(math.nan, 1.0), (0.0, math.nan), (-math.inf, 0.0), (1.0, 1.0), (3.0, -3.0)])
def test_intervals_check_themselves(ends: tuple[float, float]) -> None:
    with pytest.raises(UsageError):
        Interval(*ends)


def test_huge_integers_in_tables_are_usage_errors() -> None:
    with pytest.raises(UsageError):
        domain_from_mapping({"x": [0, 10**400]})
