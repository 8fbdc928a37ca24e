"""Who may do what: roles, permissions, and the one table that joins them."""

from __future__ import annotations

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
