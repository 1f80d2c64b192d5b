"""The benchmark's judgements, as tables: a threshold that no figure can fail proves nothing. No timing is asserted."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from app.blasts.load.result import Latency
from app.lab.bench.arms import ARMS, QUICK, UnknownArm, chosen_arms
from app.lab.bench.disk import Disk
from app.lab.bench.follow import Reading, drained_per_second, persisted_share
from app.lab.bench.report import BenchReport
from app.lab.bench.sample import DOUBLED, FLOOR, Sample, Samples
from app.lab.bench.thresholds import SOAK_ORDERS, THRESHOLDS

BUSY = Sample(
    arm="purchases",
    round=1,
    per_second=9_500.0,
    cores=(0.97,),
    latency=Latency(0.010, 0.014, 0.020, 0.030),
    figures={"api_cpu_us_per_answer": 50.0},
)
ROUNDS = (1, 2, 3)
NOISE = {1: 0.99, 2: 1.0, 3: 1.01}

RATES = {
    FLOOR: 10_000.0,
    DOUBLED: 10_000.0,
    "constant-gate": 14_000.0,
    "purchases": 9_500.0,
    "telemetry-off": 9_500.0,
    "telemetry-1": 9_300.0,
    "collector": 5_000.0,
    "collector-killed": 5_200.0,
    "collector-silent": 5_400.0,
    "sold-out": 12_000.0,
    "buyers-100": 8_000.0,
    "steady": 6_000.0,
    "steady-2": 7_000.0,
    "seeding": 100.0,
}
FIGURES: Mapping[str, Mapping[str, float]] = {
    "steady": {"persisted_share": 0.999, "seconds_to_booked": 0.4},
    "steady-2": {"persisted_share": 1.0, "seconds_to_booked": 0.6},
    "seeding": {"times": 1.01},
    "telemetry-off": {"times_the_stub": 1.004},
    "telemetry-1": {"times_the_stub": 1.03},
}
SOAK = Sample(
    arm="soak",
    round=1,
    per_second=9_000.0,
    figures={
        "accepted": SOAK_ORDERS,
        "booked": SOAK_ORDERS,
        "drift": 0,
        "seconds_to_booked": 0.9,
        "rss_api_mb": 120.0,
        "rss_worker_child_mb": 90.0,
        "rss_worker_parent_mb": 95.0,
    },
)


def a_run(
    rates: Mapping[str, float] | None = None, figures: Mapping[str, Mapping[str, float]] | None = None
) -> Samples:
    """Return the samples of three rounds that keep every promise, except for the rates and figures given."""
    samples = [SOAK if figures is None or "soak" not in figures else with_figures(SOAK, figures["soak"])]
    for arm, rate in (RATES | dict(rates or {})).items():
        for round_ in ROUNDS:
            measured = replace(BUSY, arm=arm, round=round_, per_second=rate * NOISE[round_])
            if arm in FIGURES:
                measured = replace(measured, cores=(), figures=FIGURES[arm])
            if figures is not None and arm in figures:
                measured = with_figures(measured, figures[arm])
            samples.append(measured)
    return Samples(samples)


def with_figures(sample: Sample, figures: Mapping[str, float]) -> Sample:
    return replace(sample, figures={**sample.figures, **figures})


def not_passed(samples: Samples) -> list[str]:
    return [
        judged.threshold
        for judged in (threshold.judged(samples) for threshold in THRESHOLDS)
        if judged.judgement != "PASS"
    ]


def test_every_threshold_passes_for_a_run_as_promised() -> None:
    assert not_passed(a_run()) == []


@pytest.mark.parametrize(
    ("rates", "threshold"),
    [
        ({"purchases": 8_900.0}, "purchases at least 0.9 of the floor"),
        ({"constant-gate": 16_000.0}, "purchases at least 0.6 of the constant gate"),
        ({"sold-out": 9_900.0}, "sold-out answers at least 1.0 of the floor"),
        ({"collector-killed": 4_700.0}, "purchases with a killed collector at least 0.95 of those with a collector"),
        ({"collector-silent": 4_700.0}, "purchases with a silent collector at least 0.95 of those with a collector"),
    ],
)
def test_a_rate_below_its_threshold_fails_only_that_threshold(rates: Mapping[str, float], threshold: str) -> None:
    assert not_passed(a_run(rates)) == [threshold]


@pytest.mark.parametrize(
    ("figures", "part_of_the_sentence"),
    [
        ({"steady": {"persisted_share": 0.9}}, "1 API, 1 worker"),
        ({"steady-2": {"persisted_share": 0.9}}, "2 API, 2 worker"),
        ({"steady": {"seconds_to_booked": 10.1}}, "no backlog"),
        ({"soak": {"seconds_to_booked": 10.1}}, "no backlog"),
        ({"soak": {"booked": SOAK_ORDERS - 1}}, "as many bookings"),
        ({"soak": {"accepted": SOAK_ORDERS - 1, "booked": SOAK_ORDERS - 1}}, "as many bookings"),
        ({"soak": {"drift": 1}}, "identity exact"),
        ({"soak": {"rss_api_mb": 150.1}}, "the API process"),
        ({"soak": {"rss_worker_child_mb": 150.1}}, "the worker's child"),
        ({"soak": {"rss_worker_parent_mb": 150.1}}, "the worker's parent"),
        ({"seeding": {"times": 1.3}}, "10,000,000 tickets"),
        ({"telemetry-off": {"times_the_stub": 1.02}}, "nothing traced"),
        ({"telemetry-1": {"times_the_stub": 1.06}}, "1 % traced"),
    ],
)
def test_a_figure_beyond_its_threshold_fails_only_that_threshold(
    figures: Mapping[str, Mapping[str, float]], part_of_the_sentence: str
) -> None:
    failed = not_passed(a_run(figures=figures))
    assert len(failed) == 1
    assert part_of_the_sentence in failed[0]


def test_a_long_tail_fails_its_threshold() -> None:
    samples = Samples(
        replace(BUSY, arm="buyers-100", cores=(), round=round_, latency=Latency(0.010, 0.02, 0.031, 0.04))
        for round_ in ROUNDS
    )
    tail = next(threshold for threshold in THRESHOLDS if "p99" in threshold.sentence)
    assert tail.judged(samples).judgement == "FAIL"


def test_nothing_measured_passes_nothing() -> None:
    assert {threshold.judged(Samples()).judgement for threshold in THRESHOLDS} == {"NOT MEASURED"}


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"cores": (0.97, 0.62)}, "an API process used 0.62 of a core"),
        ({"foreign": 0.4}, "other programs used 0.40 cores"),
        ({"doubts": ("3 times http-500",)}, "3 times http-500"),
        ({"round": 9}, "no doubled generator"),
    ],
)
def test_a_round_that_proves_nothing_does_not_count(change: Mapping[str, object], part: str) -> None:
    sample = replace(BUSY, **change)  # type: ignore[arg-type]  # each row changes another field
    assert any(part in reason for reason in a_run().exclusion_reasons(sample))


def test_rounds_do_not_count_where_a_second_generator_raised_the_floor() -> None:
    """The API could serve more than one generator sent, so the floor was too low and every ratio too high."""
    samples = a_run({DOUBLED: 11_000.0})
    assert not samples.counted("purchases")
    assert [judged.judgement for judged in (threshold.judged(samples) for threshold in THRESHOLDS[:2])] == [
        "NOT MEASURED"
    ] * 2


def test_a_rate_counts_that_one_generator_had_no_trouble_with() -> None:
    """The generator sent 10,000 of the floor's requests per second in that round, so at half of that it is no limit."""
    samples = a_run({DOUBLED: 11_000.0})
    assert len(samples.counted("collector")) == len(ROUNDS)


def test_a_busy_round_counts() -> None:
    assert a_run().exclusion_reasons(BUSY) == []


def test_a_backlog_that_grows_is_seen_as_a_share() -> None:
    """The gate accepts 1,000 and the workers persist 900 orders each second, sampled 50 times a second."""
    readings = [Reading(1_700_000_000 + tick / 50, 20 * tick, 2 * tick) for tick in range(100)]
    assert persisted_share(readings) == pytest.approx(0.9, abs=0.001)


def test_a_backlog_that_only_wobbles_does_not_grow() -> None:
    readings = [Reading(1_700_000_000 + tick / 50, 20 * tick, 200 + 100 * (tick % 2)) for tick in range(100)]
    assert persisted_share(readings) == pytest.approx(1.0, abs=0.002)


def test_fewer_than_two_readings_have_no_share() -> None:
    assert persisted_share([]) == persisted_share([Reading(1_700_000_000, 20, 0)]) == 0.0


def test_the_drain_is_timed_from_its_first_booking() -> None:
    """The worker needs 2 s to start. Then it books 500 of 2,000 orders at once, and the other 1,500 in 1 s."""
    readings = [
        Reading(0.0, 2000, 2000),
        Reading(2.0, 2000, 2000),
        Reading(2.1, 2000, 1500),
        Reading(3.1, 2000, 0),
        Reading(9, 2000, 0),
    ]
    assert drained_per_second(readings) == pytest.approx(1500)


def test_arms_keep_their_turns_whatever_order_they_are_named_in() -> None:
    assert [arm.name for arm in chosen_arms(["sold-out", "floor"])] == ["floor", "sold-out"]
    assert [arm.name for arm in chosen_arms(QUICK)] == list(QUICK)
    with pytest.raises(UnknownArm, match="'flor'"):
        chosen_arms(["flor"])


def test_every_threshold_needs_arms_that_exist() -> None:
    assert {name for threshold in THRESHOLDS for name in threshold.needs} <= {arm.name for arm in ARMS}


def a_report(samples: Samples, *, on_a_real_disk: bool = True) -> BenchReport:
    return BenchReport(
        started_at="2026-01-01T00:00:00+00:00",
        rounds=3,
        seconds=3.0,
        arms={arm.name: arm.description for arm in ARMS},
        samples=samples,
        judged=[threshold.judged(samples) for threshold in THRESHOLDS],
        facts={
            "machine": {"cores": 4},
            "versions": {"python": "3.11"},
            "commit": "0123456789ab",
            "disks": {"valkey": Disk("ext4", 0.0001, 0.001).as_json()},
        },
        on_a_real_disk=on_a_real_disk,
    )


def test_the_table_has_every_arm_and_every_judgement() -> None:
    text = a_report(a_run({"purchases": 8_000.0})).text()
    assert all(arm in text for arm in RATES)
    words = " ".join(text.split())
    assert "purchases accepted; fsync always, 1 API process 8,000" in words
    assert "purchases 10.00 14.00 20.00 30.00 50.0 -" in words
    assert "0.80 [0.80, 0.80]" in text
    assert "FAIL          purchases at least 0.9 of the floor: 0.800" in text
    assert "valkey on ext4, fdatasync p50 0.1 ms, p99 1.0 ms" in text


def test_the_table_says_which_rounds_do_not_count_and_why() -> None:
    samples = a_run()
    samples.add(replace(BUSY, round=3, cores=(0.5,)))
    assert "purchases: 1 of 4; reason of the last one: an API process used 0.50 of a core" in a_report(samples).text()


def test_the_json_holds_each_sample_with_its_reasons() -> None:
    document = a_report(a_run({DOUBLED: 11_000.0})).as_json()
    arm = next(arm for arm in document["arms"] if arm["arm"] == "purchases")
    assert arm["per_second"] == {"median": 9_500.0, "min": 9_405.0, "max": 9_595.0}
    assert arm["counted"] == 0
    assert arm["samples"][0]["why_not_counted"] == ["a doubled generator raised the floor 1.10 times"]
    assert arm["samples"][0]["latency_ms"]["p99"] == 20.0


@pytest.mark.parametrize(
    ("rates", "real", "holds"), [({}, True, True), ({"sold-out": 9_000.0}, True, False), ({}, False, False)]
)
def test_a_report_holds_only_with_every_threshold_and_on_a_real_disk(
    rates: Mapping[str, float], real: bool, holds: bool
) -> None:
    assert a_report(a_run(rates), on_a_real_disk=real).holds is holds
