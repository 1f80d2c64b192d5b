"""Each yes is one booking, each perhaps is at most one, each no is none; and one key is told one thing."""

from app.races.history.findings import Anomaly, Findings
from app.races.history.ledger import Booking
from app.races.history.operations import Bought

UNDECIDED = frozenset({"contention"})  # nothing was taken, and nothing was said about the key


class Won:
    """What a key was told it had won in one round. One for each acceptance of a history: kept small."""

    __slots__ = ("completed", "firsts", "found", "line", "others", "quantity", "reservation_id")

    def __init__(self, told: Bought) -> None:
        self.reservation_id = told.reservation_id
        self.line = told.asked.line
        self.completed = told.completed
        self.quantity = told.asked.quantity
        self.firsts = 0  # answers that were not told as repetitions
        self.found = False  # in the ledger
        self.others = 0  # bookings under this key that are not the one told of


class Story:
    """All that happened to one key. One for each purchase of a history: kept small."""

    __slots__ = ("booked", "quantity", "refused_line", "sure", "unknown", "won")

    def __init__(self, quantity: int) -> None:
        self.quantity: int | None = quantity  # None: asked for with several
        self.unknown = 0
        self.booked = 0  # bookings in rounds in which it was not told of one
        self.refused_line = 0
        self.sure = True  # each request was sent once
        self.won: dict[int, Won] | None = None


class Orders:
    """Fed with each purchase, then with each booking; `end` tells what is missing."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._stories: dict[str, Story] = {}
        self._rounds: dict[str, int] = {}
        self._released: set[str] = set()
        self._crash = ""

    def opening(self, sale: str) -> None:
        """Until it is said that it has begun, answers may be of either round."""
        self._rounds.pop(sale, None)

    def opened(self, sale: str, round_: int) -> None:
        self._rounds[sale] = round_

    def released(self, reservation_id: str) -> None:
        self._released.add(reservation_id)

    def crashed(self, process: str, line: int) -> None:
        self._crash = f" {process} had died meanwhile (line {line})."

    def bought(self, told: Bought) -> None:
        asked = told.asked
        story = self._stories.get(asked.name)
        if story is None:
            story = self._stories[asked.name] = Story(asked.quantity)
        elif story.quantity != asked.quantity:
            story.quantity = None
        story.sure = story.sure and told.sure_first
        if told.type == "ok":
            self._accepted(story, told)
        elif told.type == "fail":
            self._refused(story, told)
        else:
            story.unknown += 1

    def _accepted(self, story: Story, told: Bought) -> None:
        if story.won is None:
            story.won = {}
        won = story.won.setdefault(told.round, Won(told))
        won.firsts += not told.replayed
        if won.reservation_id != told.reservation_id:
            self._findings.add(
                Anomaly.REPLAY_DIFFERS,
                f"The key {told.asked.key} of {told.asked.customer} won two reservations in round {told.round}.",
                [f"line {won.line}: told accepted {won.reservation_id}", told.told()],
            )

    def _refused(self, story: Story, told: Bought) -> None:
        asked = told.asked
        story.refused_line = asked.line
        if told.outcome in UNDECIDED or story.won is None:
            return
        won = story.won.get(self._rounds.get(asked.sale, 0))
        if won and won.completed < asked.invoked and won.quantity == asked.quantity:
            self._findings.add(
                Anomaly.REPLAY_DIFFERS,
                f"The key {asked.key} of {asked.customer} had won, and was told {told.outcome} when it came again.",
                [f"line {won.line}: told accepted {won.reservation_id} at {won.completed:.6f}", told.told()],
            )

    def booked(self, booking: Booking) -> None:
        story = self._stories.get(booking.name)
        if story is None:
            self._findings.add(Anomaly.BOOKED_UNASKED, "Nobody asked for this booking.", [booking.told()])
            return
        if story.quantity not in (None, booking.quantity):
            self._findings.add(
                Anomaly.BOOKED_UNASKED,
                f"A booking of another quantity: {story.quantity} was asked for.",
                [booking.told()],
            )
        won = None if story.won is None else story.won.get(booking.round)
        if won is None:
            self._booked_untold(story, booking)
        elif booking.reservation_id == won.reservation_id:
            self._booked_as_told(won, booking)
        elif booking.status not in ("duplicate", "rejected"):
            won.others += 1

    def _booked_untold(self, story: Story, booking: Booking) -> None:
        """Nobody was told yes. It may stand for an answer that was lost, once for each."""
        if booking.status in ("duplicate", "rejected"):
            return
        story.booked += 1
        if story.booked <= story.unknown:
            return
        if story.unknown:
            self._findings.add(
                Anomaly.BOOKED_TWICE, f"Asked {story.unknown} times, and booked {story.booked} times.", [booking.told()]
            )
        else:
            self._findings.add(
                Anomaly.BOOKED_THOUGH_REFUSED,
                f"A purchase was refused (line {story.refused_line}), and is in the ledger.",
                [booking.told()],
            )

    def _booked_as_told(self, won: Won, booking: Booking) -> None:
        if won.found:
            self._findings.add(
                Anomaly.BOOKED_TWICE, "One reservation is in the ledger twice.", [f"line {won.line}", booking.told()]
            )
        won.found = True
        if booking.status == "rejected":
            self._findings.add(
                Anomaly.REJECTED_ORDER, f"Told yes (line {won.line}), and the ledger refused it.", [booking.told()]
            )
        elif booking.status == "cancelled" and booking.reservation_id not in self._released:
            self._findings.add(
                Anomaly.CANCELLED_UNASKED, f"Told yes (line {won.line}), and given back by nobody.", [booking.told()]
            )

    def end(self) -> None:
        for name, story in self._stories.items():
            for won in (story.won or {}).values():
                self._judge(name, story, won)

    def _judge(self, name: str, story: Story, won: Won) -> None:
        told = f"line {won.line}: {name.split()[1]} was told accepted {won.reservation_id} at {won.completed:.6f}"
        if not won.found:
            other = " Another booking stands under its key." if won.others else ""
            self._findings.add(
                Anomaly.LOST_ORDER, f"Told yes, and the ledger has no such booking.{other}{self._crash}", [told]
            )
        elif won.others:
            self._findings.add(Anomaly.BOOKED_TWICE, f"{won.others} more bookings stand under the same key.", [told])
        if won.firsts > 1:
            self._findings.add(
                Anomaly.FALSE_REPLAY, f"{won.firsts} answers to one key, and none is said to be a repetition.", [told]
            )
        elif not won.firsts and story.sure and not story.unknown:
            self._findings.add(Anomaly.FALSE_REPLAY, "Said to be a repetition, and nothing came before it.", [told])
