"""Each request is answered in the reader's language and time zone."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone, translation

from hemostat.people.access import signed_in

Answer = Callable[[HttpRequest], HttpResponseBase]


class ReaderMiddleware:
    """Activates what the person chose in their profile; a stranger gets the language of their browser, and UTC."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        user = signed_in(request)
        if user is None:
            return self.get_response(request)
        with timezone.override(zoneinfo.ZoneInfo(user.time_zone)), translation.override(user.language):
            request.LANGUAGE_CODE = translation.get_language() or user.language
            return self.get_response(request)
