"""The engine's provider in production: words the message and hands it to its channel."""

from __future__ import annotations

import structlog

from hemostat.base.secrets import CannotOpenError
from hemostat.channels import queries as channels
from hemostat.channels.base import channel
from hemostat.channels.rules import Message, Outcome, refused, temporary
from hemostat.paging import messages
from hemostat.paging.brief import brief
from hemostat.paging.engine import Outgoing
from hemostat.paging.rules.deliveries import Kind
from hemostat.people.models import User

log = structlog.get_logger(__name__)


class ChannelProvider:
    """Sends through the channels; an answer for everything that can go wrong before anything is sent."""

    def send(self, outgoing: Outgoing) -> Outcome:
        """Word the message now, so that it says what is known now, and send it."""
        try:
            to = channels.address(outgoing.method_id)
        except CannotOpenError as error:
            return refused(str(error))
        if to is None:
            return refused("this way was removed")
        try:
            message = compose(outgoing)
        except Exception as error:
            log.exception("a message could not be worded", delivery=str(outgoing.delivery_id))
            return temporary(f"internal error while wording the message: {type(error).__name__}")
        return channel(outgoing.kind).send(to, message)


def compose(outgoing: Outgoing) -> Message:
    """The message of a delivery."""
    user = User.objects.get(pk=outgoing.user_id)
    about = brief(outgoing.incident_id)
    write = messages.page if outgoing.message is Kind.PAGE else messages.resolved
    return write(about, outgoing, user)
