"""Notices on our own pages: never slow, never down, and unable to wake anybody."""

from __future__ import annotations

from django.utils.translation import gettext as _

from hemostat.base.refusals import RefusedError
from hemostat.channels import actions
from hemostat.channels.base import Address
from hemostat.channels.rules import Message, Outcome, accepted


class InAppChannel:
    """Writes a notice that is shown until it is seen."""

    kind = "in_app"
    wakes = False
    needs_secret = False

    def check(self, address: str) -> str:
        """Has no address."""
        if address:
            raise RefusedError(_("In-app notices have no address."), field="address")
        return ""

    def label(self, address: str) -> str:  # noqa: ARG002 - the protocol's
        """Nothing to see."""
        return ""

    def destination(self, address: str) -> str:  # noqa: ARG002 - the protocol's
        """Our own database."""
        return "in_app"

    def send(self, to: Address, message: Message) -> Outcome:
        """Write the notice; a second try of the same message changes nothing."""
        actions.put_notice(to.user_id, message)
        return accepted(_("shown on the pages"))
