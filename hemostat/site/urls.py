"""Every address of the web process; each route declares its permission."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from hemostat.site import api

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("hemostat.people.urls")),
    path("accounts/", include("hemostat.people.account_urls")),
    path("api/v1/", api.urlpatterns()),
    path("", include("hemostat.channels.urls")),
    path("", include("hemostat.paging.urls")),
    path("", include("hemostat.plans.urls")),
    path("", include("hemostat.desk.urls")),
]

handler400 = "hemostat.site.error_pages.bad_request"
handler403 = "hemostat.site.error_pages.forbidden"
handler404 = "hemostat.site.error_pages.not_found"
handler500 = "hemostat.site.error_pages.server_error"
