"""Everything that can happen in the catalog."""

from __future__ import annotations

import hashlib
import re

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from hemostat.base import clock
from hemostat.base.ids import slugify_ascii
from hemostat.base.refusals import RefusedError
from hemostat.catalog import queries
from hemostat.catalog.models import Environment, Service
from hemostat.catalog.queries import EnvironmentView, ServiceView
from hemostat.catalog.rules import Tier, default_label
from hemostat.events.actions import record
from hemostat.events.rules import SYSTEM, Ref

SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def _ref(row: Service) -> Ref:
    return Ref("service", row.app_id[:80], row.label)


def _free_slug(app_id: str) -> str:
    """A slug for `app_id`; where another service has it, the end tells them apart."""
    slug = slugify_ascii(app_id)
    if not Service.objects.filter(slug=slug).exclude(app_id=app_id).exists():
        return slug
    return f"{slug[:55].rstrip('-')}-{hashlib.blake2b(app_id.encode(), digest_size=4).hexdigest()}"


def _checked(app_id: str, label: str, tier: Tier | str, policy_slug: str, purpose: str) -> tuple[str, str, Tier]:
    app_id, label = app_id.strip(), " ".join(label.split())
    if not app_id or any(c.isspace() for c in app_id):
        raise RefusedError(
            _("An AppId is service.namespace/service.name, without spaces; found “%(text)s”.") % {"text": app_id},
            field="app_id",
        )
    for field, text, limit in (("app_id", app_id, 200), ("label", label, 120), ("purpose", purpose, 120)):
        if len(text) > limit:
            raise RefusedError(_("Longer than %(n)s characters.") % {"n": limit}, field=field)
    if policy_slug and not SLUG.fullmatch(policy_slug):
        raise RefusedError(_("“%(text)s” is not the slug of a policy.") % {"text": policy_slug}, field="policy_slug")
    try:
        return app_id, label or default_label(app_id), Tier(tier)
    except ValueError as error:
        known = ", ".join(t.value for t in Tier)
        raise RefusedError(
            _("“%(text)s” is not a tier; there are: %(known)s.") % {"text": tier, "known": known},
            field="tier",
        ) from error


def add_service(
    *,
    app_id: str,
    label: str = "",
    tier: Tier | str = Tier.NORMAL,
    purpose: str = "",
    policy_slug: str = "",
    actor: Ref,
) -> ServiceView:
    """Add a service, or take over one that telemetry had named first. Raises `RefusedError`."""
    app_id, label, tier = _checked(app_id, label, tier, policy_slug, purpose)
    with transaction.atomic():
        discover_service(app_id)
        row = Service.objects.select_for_update().get(app_id=app_id)
        if not row.discovered:
            raise RefusedError(
                _("There already is a service %(app_id)s.") % {"app_id": app_id},
                field="app_id",
                conflict=True,
            )
        row.label, row.tier, row.purpose, row.policy_slug = label, tier, purpose, policy_slug
        row.discovered = False
        row.save()
        params = {"label": row.label, "tier": tier.value, "app_id": app_id}
        record("catalog.service_added", actor=actor, subjects=[_ref(row)], params=params)
    return queries.read_service(row)


def discover_service(app_id: str) -> ServiceView:
    """The service with this AppId, made when telemetry names it first; cheap when it is there already."""
    row = Service.objects.filter(app_id=app_id).first()
    if row is not None:
        return queries.read_service(row)
    label = default_label(app_id)
    try:
        with transaction.atomic():
            row = Service.objects.create(
                app_id=app_id, slug=_free_slug(app_id), label=label, discovered=True, created_at=clock.now()
            )
            params = {"label": label, "app_id": app_id}
            record("catalog.service_discovered", actor=SYSTEM, subjects=[_ref(row)], params=params)
    except IntegrityError:
        row = Service.objects.get(app_id=app_id)  # another process was faster
    return queries.read_service(row)


def ensure_environment(slug: str, *, paging: bool = True) -> EnvironmentView:
    """The environment called `slug`, made when it is not there; `paging` holds only for a new one."""
    if not SLUG.fullmatch(slug) or len(slug) > 64:
        raise RefusedError(
            _("“%(text)s” is not the name of an environment: small letters, digits and hyphens, at most 64.")
            % {"text": slug},
            field="environment",
        )
    found = queries.environment(slug)
    if found is not None:
        return found
    with transaction.atomic():
        row, made = Environment.objects.get_or_create(slug=slug, defaults={"paging": paging, "created_at": clock.now()})
        if made:
            subject = Ref("environment", slug, slug)
            record("catalog.environment_added", actor=SYSTEM, subjects=[subject], params={"environment": slug})
    return EnvironmentView(row.pk, row.slug, row.paging)
