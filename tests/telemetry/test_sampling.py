"""What is decided before a span is made, and what a `traceparent` is."""

import pytest
from structlog.testing import capture_logs

from app.telemetry.context import parse, traceparent_of
from app.telemetry.sampling import NOTHING, Sampling

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00"


@pytest.mark.parametrize(
    ("sampler", "argument", "expected"),
    [
        ("", "", Sampling(1.0, follows_parent=True)),
        ("parentbased_always_on", "", Sampling(1.0, follows_parent=True)),
        ("parentbased_always_off", "", Sampling(0.0, follows_parent=True)),
        ("parentbased_traceidratio", "0.01", Sampling(0.01, follows_parent=True)),
        ("traceidratio", "0.5", Sampling(0.5, follows_parent=False)),
        ("traceidratio", "", Sampling(1.0, follows_parent=False)),
        ("always_off", "0.5", Sampling(0.0, follows_parent=False)),
        ("Always_On", "", Sampling(1.0, follows_parent=False)),
    ],
)
def test_the_standard_samplers(
    sampler: str, argument: str, expected: Sampling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", argument)
    assert Sampling.of_environment() == expected


@pytest.mark.parametrize(
    ("sampler", "argument"), [("jaeger_remote", ""), ("traceidratio", "often"), ("traceidratio", "2")]
)
def test_a_sampler_that_cannot_be_read_is_told(sampler: str, argument: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", argument)
    with capture_logs() as lines:
        assert Sampling.of_environment() == Sampling(1.0, follows_parent=True)
    assert [line["log_level"] for line in lines] == ["warning"]


@pytest.mark.parametrize("traceparent", [SAMPLED, UNSAMPLED])
def test_a_trace_that_began_elsewhere_is_as_was_decided_there(traceparent: str) -> None:
    for ratio in (0.0, 1.0):
        sampling = Sampling(ratio, follows_parent=True)
        assert sampling.decide(traceparent.encode()) == (TRACE.encode(), traceparent is SAMPLED)


def test_without_a_parent_the_ratio_decides() -> None:
    assert [Sampling(1.0, follows_parent=True).decide(b"")[1] for _ in range(100)] == [True] * 100
    assert [Sampling(0.0, follows_parent=True).decide(b"")[1] for _ in range(100)] == [False] * 100
    some = [Sampling(0.5, follows_parent=True).decide(b"") for _ in range(200)]
    assert {sampled for _, sampled in some} == {True, False}
    assert len({trace_id for trace_id, _ in some}) == 200


def test_a_ratio_that_follows_no_parent_goes_by_the_trace_s_id() -> None:
    low, high = (f"00-{'a' * 16}{half}-{SPAN}-01".encode() for half in ("1" * 16, "e" * 16))
    sampling = Sampling(0.5, follows_parent=False)
    assert (sampling.decide(low)[1], sampling.decide(high)[1]) == (True, False)


def test_a_process_without_traces_names_the_caller_s_all_the_same() -> None:
    assert NOTHING.decide(SAMPLED.encode()) == (TRACE.encode(), False)


@pytest.mark.parametrize(
    "text",
    [
        "", "nonsense", f"ff-{TRACE}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01", f"{SAMPLED}-more", f"{SAMPLED} ", SAMPLED[:-1], f"00-{TRACE}-{SPAN}-é1",
    ],
)  # fmt: skip
def test_what_is_no_traceparent_names_no_span(text: str) -> None:
    assert parse(text) is None
    trace_id, _ = Sampling(0.0, follows_parent=True).decide(text.encode("latin-1"))
    assert trace_id.decode() != TRACE
    assert len(trace_id) == 32


def test_a_span_s_name_travels_as_it_came() -> None:
    found = parse(SAMPLED)
    assert found is not None
    assert (traceparent_of(found), found.is_remote) == (SAMPLED, True)
    later = parse(f"01-{TRACE}-{SPAN}-01-more")
    assert later is not None
    assert later.trace_id == found.trace_id
    unsampled = parse(UNSAMPLED)
    assert unsampled is not None
    assert traceparent_of(unsampled) == ""
