"""Who may do what: roles, permissions and the table that joins them; and the rules of the set-up code."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.utils.translation import gettext_lazy as _


class Role(StrEnum):
    """What a person is in this installation; each role may do all that the one before it may."""

    VIEWER = "viewer"
    RESPONDER = "responder"
    MANAGER = "manager"
    OWNER = "owner"


ROLE_LABELS = {
    Role.VIEWER: _("Viewer"),
    Role.RESPONDER: _("Responder"),
    Role.MANAGER: _("Manager"),
    Role.OWNER: _("Owner"),
}


ROLE_SENTENCES = {
    Role.VIEWER: _("reads everything"),
    Role.RESPONDER: _("also acknowledges, takes roles and runs plans"),
    Role.MANAGER: _("also sets up sources, schedules, policies and plans"),
    Role.OWNER: _("also manages people and the installation"),
}


class Theme(StrEnum):
    """How the pages look for a person."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


THEME_LABELS = {Theme.SYSTEM: _("As the system"), Theme.LIGHT: _("Light"), Theme.DARK: _("Dark")}


class Permission(StrEnum):
    """One thing that can be allowed. PUBLIC needs no session; SIGNED_IN needs any."""

    PUBLIC = "public"
    SIGNED_IN = "signed_in"
    READ = "read"
    RESPOND = "respond"
    RUN_PLANS = "run_plans"
    CONFIGURE = "configure"
    MANAGE_PEOPLE = "manage_people"
    OWN_INSTALLATION = "own_installation"


_VIEWER = frozenset({Permission.PUBLIC, Permission.SIGNED_IN, Permission.READ})
_RESPONDER = _VIEWER | {Permission.RESPOND, Permission.RUN_PLANS}
_MANAGER = _RESPONDER | {Permission.CONFIGURE}
_OWNER = _MANAGER | {Permission.MANAGE_PEOPLE, Permission.OWN_INSTALLATION}

ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: _VIEWER,
    Role.RESPONDER: _RESPONDER,
    Role.MANAGER: _MANAGER,
    Role.OWNER: _OWNER,
}


def may(role: Role | None, permission: Permission) -> bool:
    """Whether somebody with `role` (None: nobody signed in) may do what needs `permission`."""
    if role is None:
        return permission is Permission.PUBLIC
    return permission in ROLE_PERMISSIONS[role]


CODE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""Without 0, 1, I, L and O, which people mix up when they copy from a console."""
CODE_LENGTH = 12
CODE_TRIES = 5
CODE_PAUSE = timedelta(minutes=1)


def new_setup_code() -> str:
    """A code such as `7KQM-2XPA-9RTD`: 59 bits."""
    letters = "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH))
    return "-".join(letters[i : i + 4] for i in range(0, CODE_LENGTH, 4))


def normal_setup_code(typed: str) -> str:
    """What was typed, without the spaces, hyphens and lower case that do not matter."""
    return "".join(typed.split()).replace("-", "").upper()


@dataclass(frozen=True, slots=True)
class Tries:
    """Wrong tries at a set-up code in the present minute."""

    failures: int
    since: datetime | None

    def pause(self, now: datetime) -> timedelta:
        """How long until the next try is looked at; zero: now."""
        if self.since is None or self.failures < CODE_TRIES:
            return timedelta()
        return max(timedelta(), self.since + CODE_PAUSE - now)

    def after_failure(self, now: datetime) -> Tries:
        """The count with one more wrong try, a new minute being counted afresh."""
        if self.since is None or now >= self.since + CODE_PAUSE:
            return Tries(failures=1, since=now)
        return Tries(failures=self.failures + 1, since=self.since)
