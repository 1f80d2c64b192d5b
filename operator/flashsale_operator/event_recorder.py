"""Post events to the API server. `events.py` decides which."""

from datetime import datetime

import structlog
from kubernetes.aio.client import V1ObjectReference

from app.errors import AtomicTicketsError
from app.telemetry.names import CHANGED
from app.telemetry.spans import span
from flashsale_operator.events import EventRecord, event_manifest
from flashsale_operator.kube import KubeApi
from flashsale_operator.kube_client import KubeConflict

log = structlog.get_logger()


async def post_event(
    kube: KubeApi, record: EventRecord, involved: V1ObjectReference, round_: int | None, now: datetime
) -> None:
    """Post the event, unless it was posted before. A failure is only logged: nothing depends on an event."""
    try:
        with span("post event", {"k8s.event.reason": record.reason}, expected=(KubeConflict,)) as posting:
            await kube.create_event(event_manifest(record, involved, round_, now))
            posting.set_attribute(CHANGED, value=True)
    except KubeConflict:
        return
    except AtomicTicketsError as error:
        log.warning("event not posted", reason=record.reason, error=error.detail)
