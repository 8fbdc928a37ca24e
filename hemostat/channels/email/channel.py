"""E-mail by SMTP, with what each answer of a mail server means.

The whole conversation has one deadline: a server that drips bytes cannot hold a worker. What breaks before the
message is handed over has certainly not been taken; from then on, only the server's answer tells.
"""

from __future__ import annotations

import smtplib
import ssl
import threading
from dataclasses import dataclass
from email.utils import parseaddr

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext as _

from hemostat.base.refusals import RefusedError
from hemostat.channels.base import TIMEOUT_S, Address
from hemostat.channels.email.render import render
from hemostat.channels.rules import Message, Outcome, accepted, ambiguous, refused, temporary, without


@dataclass(frozen=True)
class Server:
    """The mail server of the installation."""

    host: str
    port: int
    user: str
    password: str
    security: str
    """starttls, tls or none"""
    sender: str

    def __repr__(self) -> str:
        return f"Server({self.host}:{self.port})"


def configured() -> Server:
    """The mail server of the settings."""
    config = settings.CONFIG
    return Server(
        host=config.smtp_host,
        port=config.smtp_port,
        user=config.smtp_user,
        password=config.smtp_password,
        security=config.smtp_security,
        sender=config.mail_from,
    )


class EmailChannel:
    """Sends multipart text and HTML through the mail server of the settings."""

    kind = "email"
    wakes = True
    needs_secret = False

    def __init__(self, server: Server | None = None, timeout_s: float = TIMEOUT_S) -> None:
        self._server = server
        self._timeout_s = timeout_s

    def check(self, address: str) -> str:
        """An e-mail address."""
        address = address.strip()
        try:
            validate_email(address)
        except ValidationError as error:
            raise RefusedError(
                _("“%(text)s” is not an e-mail address.") % {"text": address}, field="address"
            ) from error
        return address

    def label(self, address: str) -> str:
        """The address itself."""
        return address

    def destination(self, address: str) -> str:  # noqa: ARG002 - the protocol's
        """All mail goes through one server."""
        return "email"

    def send(self, to: Address, message: Message) -> Outcome:
        """Hand the message to the mail server."""
        server = self._server or configured()
        if not server.host:
            return temporary(_("no mail server is set (HEMOSTAT_SMTP_HOST)"))
        return _Conversation(server, self._timeout_s).carry(to, message)


class _Conversation:
    """One connection to the server, under one deadline."""

    def __init__(self, server: Server, timeout_s: float) -> None:
        self._server = server
        self._timeout_s = timeout_s
        self._smtp: smtplib.SMTP | None = None
        self._body_sent = False
        self._late = False

    def carry(self, to: Address, message: Message) -> Outcome:
        watchdog = threading.Timer(self._timeout_s, self._cut)
        watchdog.daemon = True
        watchdog.start()
        try:
            return self._carry(to, message)
        except smtplib.SMTPAuthenticationError as error:
            return self._answered(error.smtp_code, error.smtp_error, permanent_is_temporary=True)
        except smtplib.SMTPResponseException as error:
            return self._answered(error.smtp_code, error.smtp_error)
        except smtplib.SMTPNotSupportedError as error:
            return temporary(self._clean(str(error)))
        except (smtplib.SMTPException, OSError, ValueError) as error:
            return self._broken(error)
        finally:
            watchdog.cancel()
            if self._smtp is not None:
                self._smtp.close()

    def _carry(self, to: Address, message: Message) -> Outcome:
        smtp = self._smtp = self._connect()
        smtp.ehlo_or_helo_if_needed()
        if self._server.security == "starttls":
            smtp.starttls(context=ssl.create_default_context())
            smtp.ehlo()
        if self._server.user:
            smtp.login(self._server.user, self._server.password)
        mail = render(message, sender=self._server.sender, to=to.address)
        code, answer = smtp.mail(parseaddr(self._server.sender)[1], ["SMTPUTF8"] if not to.address.isascii() else [])
        if code != 250:
            return self._answered(code, answer)
        code, answer = smtp.rcpt(to.address)
        if code not in {250, 251}:
            return self._answered(code, answer)
        self._body_sent = True
        return self._answered(*smtp.data(mail.as_bytes()))

    def _connect(self) -> smtplib.SMTP:
        server = self._server
        if server.security == "tls":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(server.host, server.port, timeout=self._timeout_s, context=context)
        return smtplib.SMTP(server.host, server.port, timeout=self._timeout_s)

    def _cut(self) -> None:
        self._late = True
        sock = self._smtp.sock if self._smtp is not None else None
        if sock is not None:
            sock.close()

    def _broken(self, error: Exception) -> Outcome:
        what = _("no answer within %(n)s s") % {"n": round(self._timeout_s)} if self._is_late(error) else str(error)
        said = self._clean(what or type(error).__name__)
        return ambiguous(said) if self._body_sent else temporary(said)

    def _is_late(self, error: Exception) -> bool:
        return self._late or isinstance(error, TimeoutError)

    def _answered(self, code: int, answer: bytes | str, *, permanent_is_temporary: bool = False) -> Outcome:
        """What a reply means: 2xx taken, 4xx later, 5xx never; refusing our sign-in is ours to mend, so: later."""
        said = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
        said = self._clean(f"{code} {said}")
        if 200 <= code < 300:
            return accepted(said)
        if 500 <= code < 600 and not permanent_is_temporary:
            return refused(said)
        if code == -1 and self._body_sent:
            return ambiguous(said)
        return temporary(said)

    def _clean(self, text: str) -> str:
        return without(text, (self._server.password,))
