"""How we know: the diagnosis of an incident with everything that spoke for it."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from hemostat.base import clock
from hemostat.desk.rules.diagnosis import diagnosis_page
from hemostat.incidents import queries as incidents
from hemostat.incidents.models import Incident
from hemostat.people.access import requires
from hemostat.people.rules import Permission


@requires(Permission.READ)
@require_safe
def diagnosis(request: HttpRequest, code: str) -> HttpResponse:
    """The ranking, each rule's contribution, the exception tree, and what was set aside as noise."""
    try:
        row = incidents.by_code(code)
    except Incident.DoesNotExist as error:
        raise Http404(str(error)) from error
    detail = incidents.detail(row.pk, clock.now())
    page = diagnosis_page(detail.answer) if detail.answer else None
    return render(request, "desk/diagnosis.html", {"incident": detail.summary, "page": page})
