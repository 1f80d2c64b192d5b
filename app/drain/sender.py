"""A Celery application that only publishes, and that gives up soon if the broker does not answer."""

from celery import Celery

from app.drain.broker import broker_settings


def make_sender(broker_url: str) -> Celery:
    """Return the application.

    Publish in a thread: a publication blocks for up to 1.5 s if the broker is away or hangs.
    """
    sender = Celery(set_as_current=False)
    sender.conf.update(
        task_ignore_result=True,
        broker_connection_timeout=0.5,
        **broker_settings(broker_url, socket_connect_timeout=0.5, socket_timeout=1.0, max_retries=0),
    )
    return sender
