"""A Celery application that only publishes: promptly, or not at all."""

from celery import Celery

from app.drain.broker import broker_settings


def make_sender(broker_url: str) -> Celery:
    """Against a broker that is away or hangs a publication ends within 1.5 s; use it in a thread."""
    sender = Celery(set_as_current=False)
    sender.conf.update(
        task_ignore_result=True,
        broker_connection_timeout=0.5,
        **broker_settings(broker_url, socket_connect_timeout=0.5, socket_timeout=1.0, max_retries=0),
    )
    return sender
