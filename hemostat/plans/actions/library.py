"""Writing plans into the library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from hemostat.base import clock, secrets
from hemostat.events.actions import record
from hemostat.events.rules import Ref
from hemostat.plans.models import Plan, PlanAssociation
from hemostat.plans.rules import plan as rules
from hemostat.plans.rules.redact import SHORTEST


def plan_ref(plan: Plan) -> Ref:
    """How events name a plan."""
    return Ref("plan", str(plan.pk), plan.name)


def add_plan(
    data: rules.PlanFile | Mapping[str, Any], actor: Ref, *, secrets_given: Mapping[str, str] | None = None
) -> Plan:
    """Write a plan, or write it anew when there is one with its slug; runs that go on keep what they started with.

    Secrets already stored are kept unless given anew. Raises `rules.PlanError` naming the field at fault.
    """
    wanted = data if isinstance(data, rules.PlanFile) else rules.from_data(data)
    rules.check(wanted)
    now = clock.now()
    with transaction.atomic():
        known = Plan.objects.select_for_update().filter(slug=wanted.slug).first()
        sealed = _sealed(wanted, known.secrets if known else {}, secrets_given or {})
        fields = {
            "name": wanted.name,
            "verb": wanted.verb,
            "description": wanted.description,
            "touches": wanted.touches,
            "undo": wanted.undo,
            "about_s": wanted.about_s,
            "values": wanted.values,
            "steps": rules.as_json(wanted.steps),
            "secrets": sealed,
            "verification": rules.as_json(wanted.verification),
            "enabled": wanted.enabled,
            "updated_at": now,
        }
        plan, added = Plan.objects.update_or_create(
            slug=wanted.slug, defaults=fields, create_defaults={**fields, "created_at": now}
        )
        plan.associations.all().delete()
        PlanAssociation.objects.bulk_create(
            PlanAssociation(plan=plan, **{**rules.as_json(rules.Association()), **rules.as_json(association)})
            for association in wanted.comes_up_for
        )
        record(
            "plans.plan_added" if added else "plans.plan_changed",
            actor=actor,
            subjects=[plan_ref(plan)],
            params={"plan": plan.name, "slug": plan.slug, "steps": len(wanted.steps)},
        )
    return plan


def _sealed(wanted: rules.PlanFile, known: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    _, needed = rules.needed(wanted.steps)
    if strange := sorted(set(given) - needed):
        raise rules.PlanError(f"secrets.{strange[0]}: no step uses it")
    for name, text in given.items():
        if len(text) < SHORTEST:
            raise rules.PlanError(f"secrets.{name}: wanted at least {SHORTEST} characters")
    if missing := sorted(needed - set(given) - set(known)):
        raise rules.PlanError(f"secrets.{missing[0]}: a step uses it, and it was not given")
    return {name: secrets.seal(given[name]) if name in given else known[name] for name in sorted(needed)}
