"""The sampling decision that is made before a span exists, and the parsing of a `traceparent`."""

from secrets import token_hex

import pytest
from structlog.testing import capture_logs

from app.telemetry.context import parse_traceparent, traceparent_of
from app.telemetry.sampling import NEVER, Sampling

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
NONCE = "0123456789abcdef"
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
    assert Sampling.from_environment() == expected


@pytest.mark.parametrize(
    ("sampler", "argument"), [("jaeger_remote", ""), ("traceidratio", "often"), ("traceidratio", "2")]
)
def test_a_sampler_that_cannot_be_read_is_logged(sampler: str, argument: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", argument)
    with capture_logs() as lines:
        assert Sampling.from_environment() == Sampling(1.0, follows_parent=True)
    assert [line["log_level"] for line in lines] == ["warning"]


@pytest.mark.parametrize("traceparent", [SAMPLED, UNSAMPLED])
def test_a_trace_that_began_elsewhere_is_as_was_decided_there(traceparent: str) -> None:
    for ratio in (0.0, 1.0):
        sampling = Sampling(ratio, follows_parent=True)
        assert sampling.decide(traceparent.encode(), NONCE) == (TRACE, traceparent is SAMPLED)


LOWEST, BELOW_HALF, HALF, HIGHEST = "0" * 16, "7" + "f" * 15, "8" + "0" * 15, "f" * 16


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [
        (0.0, [False, False, False, False]),
        (1e-30, [False, False, False, False]),
        (2**-64, [True, False, False, False]),
        (0.5, [True, True, False, False]),
        (1 - 2**-53, [True, True, True, False]),
        (1.0, [True, True, True, True]),
    ],
)
def test_without_a_parent_the_ratio_of_all_nonces_is_sampled(ratio: float, expected: list[bool]) -> None:
    sampling = Sampling(ratio, follows_parent=True)
    assert [sampling.decide(b"", nonce)[1] for nonce in (LOWEST, BELOW_HALF, HALF, HIGHEST)] == expected


def test_without_a_parent_half_of_a_crowd_is_sampled_and_each_has_a_name_of_its_own() -> None:
    some = [Sampling(0.5, follows_parent=True).decide(b"", token_hex(8)) for _ in range(200)]
    assert {sampled for _, sampled in some} == {True, False}
    assert len({trace_id for trace_id, _ in some}) == 200


def test_without_a_parent_a_trace_is_named_after_process_and_nonce() -> None:
    one, other = (NEVER.decide(b"", nonce)[0] for nonce in (NONCE, HIGHEST))
    assert (one[16:], other[16:]) == (NONCE, HIGHEST)
    assert one[:16] == other[:16] != LOWEST
    assert parse_traceparent(f"00-{one}-{SPAN}-01") is not None


def test_a_ratio_that_follows_no_parent_goes_by_the_trace_s_id() -> None:
    low, high = (f"00-{'a' * 16}{half}-{SPAN}-01".encode() for half in ("1" * 16, "e" * 16))
    sampling = Sampling(0.5, follows_parent=False)
    assert (sampling.decide(low, HIGHEST)[1], sampling.decide(high, LOWEST)[1]) == (True, False)


def test_a_process_without_traces_names_the_caller_s_all_the_same() -> None:
    assert NEVER.decide(SAMPLED.encode(), NONCE) == (TRACE, False)


@pytest.mark.parametrize(
    "text",
    [
        "", "nonsense", f"ff-{TRACE}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01", f"{SAMPLED}-more", f"{SAMPLED} ", SAMPLED[:-1], f"00-{TRACE}-{SPAN}-é1",
    ],
)  # fmt: skip
def test_what_is_no_traceparent_names_no_span(text: str) -> None:
    assert parse_traceparent(text) is None
    trace_id, _ = Sampling(0.0, follows_parent=True).decide(text.encode("latin-1"), NONCE)
    assert trace_id[16:] == NONCE
    assert len(trace_id) == 32


def test_a_span_s_name_travels_as_it_came() -> None:
    found = parse_traceparent(SAMPLED)
    assert found is not None
    assert (traceparent_of(found), found.is_remote) == (SAMPLED, True)
    later = parse_traceparent(f"01-{TRACE}-{SPAN}-01-more")
    assert later is not None
    assert later.trace_id == found.trace_id
    unsampled = parse_traceparent(UNSAMPLED)
    assert unsampled is not None
    assert traceparent_of(unsampled) == ""
