"""The rule of orders and bookings.

Each accepted purchase has one booking, each one of unknown outcome at most one, each refused one none. All answers to
one key agree.
"""

from app.races.history.findings import Anomaly, Findings
from app.races.history.ledger import Booking
from app.races.history.operations import Completion

UNDECIDED = frozenset({"contention"})  # nothing was taken, and nothing was decided about the key


class WonReservation:
    """The reservation that a key won in one round.

    There is one object for each acceptance of a history, so it is kept small.

    `first_answers`: answers that were not marked as replays.
    `found`: whether the ledger has the reservation.
    `others`: bookings under this key with another reservation.
    """

    __slots__ = ("completed", "first_answers", "found", "line", "others", "quantity", "reservation_id")

    def __init__(self, completion: Completion) -> None:
        self.reservation_id = completion.reservation_id
        self.line = completion.invocation.line
        self.completed = completion.completed
        self.quantity = completion.invocation.quantity
        self.first_answers = 0
        self.found = False
        self.others = 0


class KeyHistory:
    """The history of one key. There is one object for each purchase of a history, so it is kept small.

    `quantity`: None if requests asked for several quantities.
    `unknown`: requests of unknown outcome.
    `booked`: bookings in rounds for which the history has no acceptance of the key.
    `refused_line`: the line of the last refused request; 0 if there is none.
    `sent_once`: whether each request was sent once.
    """

    __slots__ = ("booked", "quantity", "refused_line", "sent_once", "unknown", "won")

    def __init__(self, quantity: int) -> None:
        self.quantity: int | None = quantity
        self.unknown = 0
        self.booked = 0
        self.refused_line = 0
        self.sent_once = True
        self.won: dict[int, WonReservation] | None = None


class Orders:
    """Receives each purchase, then each booking. `end` reports the orders that the ledger lacks."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._histories: dict[str, KeyHistory] = {}
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
        invocation = completion.invocation
        history = self._histories.get(invocation.name)
        if history is None:
            history = self._histories[invocation.name] = KeyHistory(invocation.quantity)
        elif history.quantity != invocation.quantity:
            history.quantity = None
        history.sent_once = history.sent_once and completion.sent_once
        if completion.type == "ok":
            self._accepted(history, completion)
        elif completion.type == "fail":
            self._refused(history, completion)
        else:
            history.unknown += 1

    def _accepted(self, history: KeyHistory, completion: Completion) -> None:
        if history.won is None:
            history.won = {}
        won = history.won.setdefault(completion.round, WonReservation(completion))
        won.first_answers += not completion.replayed
        if won.reservation_id != completion.reservation_id:
            invocation = completion.invocation
            self._findings.add(
                Anomaly.REPLAY_DIFFERS,
                f"The key {invocation.key} of {invocation.customer} won two reservations in round {completion.round}.",
                [f"line {won.line}: outcome accepted {won.reservation_id}", completion.describe()],
            )

    def _refused(self, history: KeyHistory, completion: Completion) -> None:
        invocation = completion.invocation
        history.refused_line = invocation.line
        if completion.outcome in UNDECIDED or history.won is None:
            return
        won = history.won.get(self._rounds.get(invocation.sale, 0))
        if won and won.completed < invocation.invoked and won.quantity == invocation.quantity:
            self._findings.add(
                Anomaly.REPLAY_DIFFERS,
                f"The key {invocation.key} of {invocation.customer} had won, but its replay got {completion.outcome}.",
                [
                    f"line {won.line}: outcome accepted {won.reservation_id} at {won.completed:.6f}",
                    completion.describe(),
                ],
            )

    def booked(self, booking: Booking) -> None:
        history = self._histories.get(booking.name)
        if history is None:
            self._findings.add(Anomaly.BOOKED_UNASKED, "No purchase asked for this booking.", [booking.describe()])
            return
        if history.quantity not in (None, booking.quantity):
            self._findings.add(
                Anomaly.BOOKED_UNASKED,
                f"The booking has another quantity than its purchase, which asked for {history.quantity}.",
                [booking.describe()],
            )
        won = None if history.won is None else history.won.get(booking.round)
        if won is None:
            self._booked_without_answer(history, booking)
        elif booking.reservation_id == won.reservation_id:
            self._booked_as_accepted(won, booking)
        elif booking.status not in ("duplicate", "rejected"):
            won.others += 1

    def _booked_without_answer(self, history: KeyHistory, booking: Booking) -> None:
        """Handle a booking whose acceptance is not in the history.

        Each request of unknown outcome may explain one such booking.
        """
        if booking.status in ("duplicate", "rejected"):
            return
        history.booked += 1
        if history.booked <= history.unknown:
            return
        if history.unknown:
            self._findings.add(
                Anomaly.BOOKED_TWICE,
                f"{history.unknown} requests have an unknown outcome, but {history.booked} bookings exist.",
                [booking.describe()],
            )
        else:
            self._findings.add(
                Anomaly.BOOKED_THOUGH_REFUSED,
                f"A purchase was refused (line {history.refused_line}), but is booked.",
                [booking.describe()],
            )

    def _booked_as_accepted(self, won: WonReservation, booking: Booking) -> None:
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
        for name, history in self._histories.items():
            for won in (history.won or {}).values():
                self._judge(name, history, won)

    def _judge(self, name: str, history: KeyHistory, won: WonReservation) -> None:
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
        if won.first_answers > 1:
            self._findings.add(
                Anomaly.FALSE_REPLAY, f"{won.first_answers} answers to one key are not marked as replays.", [evidence]
            )
        elif not won.first_answers and history.sent_once and not history.unknown:
            self._findings.add(
                Anomaly.FALSE_REPLAY, "The answer is marked as a replay, but nothing came before it.", [evidence]
            )
