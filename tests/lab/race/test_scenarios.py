"""Facts that scenarios show in addition to the matrix (test_matrix.py), with real processes killed at failpoints."""

from app.lab.race.scenarios.scene import Scene
from tests.lab.race.conftest import Play


async def one(play: Play, scenario: str, strategy: str) -> Scene:
    (scene,) = await play(scenario, strategy)
    return scene


async def test_pause_a_lock_of_the_database_outlasts_its_holders_pause(play: Play) -> None:
    scene = await one(play, "pause", "row-lock")
    assert (scene.figures["waited"], scene.figures["booked"], scene.found) == ("yes", 1, {})


async def test_crash_an_order_that_is_nowhere_but_in_a_process_or_the_broker_is_lost(play: Play) -> None:
    in_the_api, in_the_worker, in_the_broker = await play("crash", "lua-fire-and-forget")
    assert (in_the_api.figures["died"], in_the_api.found["lost-order"]) == ("api after_decrement", 1)
    assert (in_the_worker.figures["died"], in_the_worker.found) == ("worker task_taken", {})  # redelivered
    assert (in_the_broker.figures["booked"], in_the_broker.found["lost-order"]) == (0, 4)


async def test_failover_the_gate_loses_what_was_forgotten_and_oversells_nothing(play: Play) -> None:
    scene = await one(play, "failover", "atomic")
    assert (scene.figures["booked"], scene.figures["left"]) == (12, 0)
    assert scene.found == {"over-accepted": 4, "lost-order": 4}


async def test_retry_storm_optimistic_purchases_are_retried_and_none_is_refused_as_sold_out(play: Play) -> None:
    scene = await one(play, "retry-storm", "optimistic")
    assert scene.figures["retries"] > 15  # all have read one version, of which only one may write
    assert (scene.figures["booked"], scene.found) == (15, {})


async def test_retry_storm_costs_nothing_where_the_check_is_part_of_the_write(play: Play) -> None:
    scene = await one(play, "retry-storm", "conditional-update")
    assert (scene.figures["retries"], scene.figures["booked"], scene.found) == (0, 15, {})
