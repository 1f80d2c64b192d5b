"""The rule of orders and bookings.

Each accepted purchase has one booking, each one of unknown outcome at most one, each refused one none. All answers to
one key agree.
"""

from app.races.history.findings import Anomaly, Findings
from app.races.history.ledger import Booking
from app.races.history.operations import Completion

UNDECIDED = frozenset({"contention"})  # nothing was taken, and nothing was decided about the key


class Won:
    """The reservation that a key won in one round.

    There is one object for each acceptance of a history, so it is kept small.

    `firsts`: answers that were not marked as replays.
    `found`: whether the ledger has the reservation.
    `others`: bookings under this key with another reservation.
    """

    __slots__ = ("completed", "firsts", "found", "line", "others", "quantity", "reservation_id")

    def __init__(self, completion: Completion) -> None:
        self.reservation_id = completion.reservation_id
        self.line = completion.asked.line
        self.completed = completion.completed
        self.quantity = completion.asked.quantity
        self.firsts = 0
        self.found = False
        self.others = 0


class Story:
    """The history of one key. There is one object for each purchase of a history, so it is kept small.

    `quantity`: None if requests asked for several quantities.
    `unknown`: requests of unknown outcome.
    `booked`: bookings in rounds for which the history has no acceptance of the key.
    `refused_line`: the line of the last refused request; 0 if there is none.
    `sure`: whether each request was sent once.
    """

    __slots__ = ("booked", "quantity", "refused_line", "sure", "unknown", "won")

    def __init__(self, quantity: int) -> None:
        self.quantity: int | None = quantity
        self.unknown = 0
        self.booked = 0
        self.refused_line = 0
        self.sure = True
        self.won: dict[int, Won] | None = None


class Orders:
    """Receives each purchase, then each booking. `end` reports the orders that the ledger lacks."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._stories: dict[str, Story] = {}
        self._rounds: dict[str, int] = {}
        self._released: set[str] = set()
        self._crash = ""

    def opening(self, sale: str) -> None:
        """Forget the round of the sale: until the next one has begun, answers may belong to either."""
        self._rounds.pop(sale, None)

    def opened(self, sale: str, round_: int) -> None:
        self._rounds[sale] = round_

    def released(self, reservation_id: str) -> None:
        self._released.add(reservation_id)

    def crashed(self, process: str, line: int) -> None:
        self._crash = f" {process} had died (line {line})."

    def completed(self, completion: Completion) -> None:
        asked = completion.asked
        story = self._stories.get(asked.name)
        if story is None:
            story = self._stories[asked.name] = Story(asked.quantity)
        elif story.quantity != asked.quantity:
            story.quantity = None
        story.sure = story.sure and completion.sure_first
        if completion.type == "ok":
            self._accepted(story, completion)
        elif completion.type == "fail":
            self._refused(story, completion)
        else:
            story.unknown += 1

    def _accepted(self, story: Story, completion: Completion) -> None:
        if story.won is None:
            story.won = {}
        won = story.won.setdefault(completion.round, Won(completion))
        won.firsts += not completion.replayed
        if won.reservation_id != completion.reservation_id:
            asked = completion.asked
            self._findings.add(
                Anomaly.REPLAY_DIFFERS,
                f"The key {asked.key} of {asked.customer} won two reservations in round {completion.round}.",
                [f"line {won.line}: outcome accepted {won.reservation_id}", completion.describe()],
            )

    def _refused(self, story: Story, completion: Completion) -> None:
        asked = completion.asked
        story.refused_line = asked.line
        if completion.outcome in UNDECIDED or story.won is None:
            return
        won = story.won.get(self._rounds.get(asked.sale, 0))
        if won and won.completed < asked.invoked and won.quantity == asked.quantity:
            self._findings.add(
                Anomaly.REPLAY_DIFFERS,
                f"The key {asked.key} of {asked.customer} had won, but its replay got {completion.outcome}.",
                [
                    f"line {won.line}: outcome accepted {won.reservation_id} at {won.completed:.6f}",
                    completion.describe(),
                ],
            )

    def booked(self, booking: Booking) -> None:
        story = self._stories.get(booking.name)
        if story is None:
            self._findings.add(Anomaly.BOOKED_UNASKED, "No purchase asked for this booking.", [booking.describe()])
            return
        if story.quantity not in (None, booking.quantity):
            self._findings.add(
                Anomaly.BOOKED_UNASKED,
                f"The booking has another quantity than its purchase, which asked for {story.quantity}.",
                [booking.describe()],
            )
        won = None if story.won is None else story.won.get(booking.round)
        if won is None:
            self._booked_without_answer(story, booking)
        elif booking.reservation_id == won.reservation_id:
            self._booked_as_accepted(won, booking)
        elif booking.status not in ("duplicate", "rejected"):
            won.others += 1

    def _booked_without_answer(self, story: Story, booking: Booking) -> None:
        """Handle a booking whose acceptance is not in the history.

        Each request of unknown outcome may explain one such booking.
        """
        if booking.status in ("duplicate", "rejected"):
            return
        story.booked += 1
        if story.booked <= story.unknown:
            return
        if story.unknown:
            self._findings.add(
                Anomaly.BOOKED_TWICE,
                f"{story.unknown} requests have an unknown outcome, but {story.booked} bookings exist.",
                [booking.describe()],
            )
        else:
            self._findings.add(
                Anomaly.BOOKED_THOUGH_REFUSED,
                f"A purchase was refused (line {story.refused_line}), but is booked.",
                [booking.describe()],
            )

    def _booked_as_accepted(self, won: Won, booking: Booking) -> None:
        if won.found:
            self._findings.add(
                Anomaly.BOOKED_TWICE,
                "One reservation is in the ledger twice.",
                [f"line {won.line}", booking.describe()],
            )
        won.found = True
        if booking.status == "rejected":
            self._findings.add(
                Anomaly.REJECTED_ORDER,
                f"The purchase was accepted (line {won.line}), but the ledger refused it.",
                [booking.describe()],
            )
        elif booking.status == "cancelled" and booking.reservation_id not in self._released:
            self._findings.add(
                Anomaly.CANCELLED_UNASKED,
                f"The purchase was accepted (line {won.line}) and is cancelled, but nobody released it.",
                [booking.describe()],
            )

    def end(self) -> None:
        for name, story in self._stories.items():
            for won in (story.won or {}).values():
                self._judge(name, story, won)

    def _judge(self, name: str, story: Story, won: Won) -> None:
        evidence = (
            f"line {won.line}: {name.split()[1]}'s purchase was accepted as {won.reservation_id} at {won.completed:.6f}"
        )
        if not won.found:
            other = " Another booking has its key." if won.others else ""
            self._findings.add(
                Anomaly.LOST_ORDER,
                f"The purchase was accepted, but the ledger has no such booking.{other}{self._crash}",
                [evidence],
            )
        elif won.others:
            self._findings.add(Anomaly.BOOKED_TWICE, f"{won.others} more bookings have the same key.", [evidence])
        if won.firsts > 1:
            self._findings.add(
                Anomaly.FALSE_REPLAY, f"{won.firsts} answers to one key are not marked as replays.", [evidence]
            )
        elif not won.firsts and story.sure and not story.unknown:
            self._findings.add(
                Anomaly.FALSE_REPLAY, "The answer is marked as a replay, but nothing came before it.", [evidence]
            )
