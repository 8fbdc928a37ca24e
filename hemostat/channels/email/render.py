"""A message as e-mail: plain text first, the same as HTML with one button."""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.utils.translation import override

from hemostat.base import clock
from hemostat.channels.rules import Message

COLOURS = ("#A50F38", "#C2410C", "#F2B705", "#C9DCEF", "#E4E8E9")
"""Fill of the severity badge, P0 to P4: the design system's light tokens, for mail programs know no variables."""
INKS = ("#FFFFFF", "#FFFFFF", "#2B2000", "#12324F", "#434E51")


def render(message: Message, *, sender: str, to: str) -> EmailMessage:
    """The e-mail. Its Message-ID comes from the message's id, so that a second try is seen as the same mail."""
    mail = EmailMessage(policy=SMTP.clone(utf8=not to.isascii()))
    domain = parseaddr(sender)[1].partition("@")[2] or "localhost"
    mail["From"] = sender
    mail["To"] = to
    mail["Subject"] = " ".join(message.title.splitlines())
    mail["Date"] = format_datetime(clock.now())
    mail["Message-ID"] = f"<{message.id}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["Content-Language"] = message.language
    if message.severity is not None and message.severity <= 1 and message.kind == "page":
        mail["Importance"] = "high"
        mail["X-Priority"] = "1"
    mail.set_content(plain(message), cte="quoted-printable")
    mail.add_alternative(html(message), subtype="html", cte="quoted-printable")
    return mail


def plain(message: Message) -> str:
    """The plain text: headings, indented lines, and every link in full."""
    parts = [message.lead]
    for section in message.sections:
        lines = [f"  {line}" for line in section.lines] if section.heading else list(section.lines)
        parts.append("\n".join([section.heading, *lines] if section.heading else lines))
    if message.buttons:
        parts.append("\n".join(f"{button.label}\n  {button.url}" for button in message.buttons))
    if message.footer:
        parts.append(message.footer)
    return "\n\n".join(parts) + "\n"


def html(message: Message) -> str:
    """The HTML: what, why, do, and one button that opens a page with one button."""
    with override(message.language):
        level = message.severity
        return render_to_string(
            "channels/email/message.html",
            {
                "message": message,
                "badge": None if level is None else {"text": f"P{level}", "fill": COLOURS[level], "ink": INKS[level]},
                "brand": _("Hemostat"),
            },
        )
