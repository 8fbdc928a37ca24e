"""Addresses of the desk."""

from __future__ import annotations

from django.urls import path

from hemostat.desk.views import design, diagnosis, incident, mailbox, now, setup, sources

app_name = "desk"
urlpatterns = [
    path("", now.now, name="now"),
    path("now/live/", now.now_live, name="now_live"),
    path("incidents/", now.incidents, name="incidents"),
    path("incidents/<str:code>/", incident.incident, name="incident"),
    path("incidents/<str:code>/live/", incident.incident_live, name="incident_live"),
    path("incidents/<str:code>/diagnosis/", diagnosis.diagnosis, name="diagnosis"),
    path("incidents/<str:code>/acknowledge/", incident.acknowledge, name="acknowledge"),
    path("incidents/<str:code>/roles/<str:role>/", incident.take_role, name="take_role"),
    path("incidents/<str:code>/note/", incident.note, name="note"),
    path("incidents/<str:code>/help/", incident.ask_help, name="help"),
    path("incidents/<str:code>/resolve/", incident.resolve, name="resolve"),
    path("incidents/<str:code>/run/", incident.run, name="run"),
    path("incidents/<str:code>/runs/<int:run_id>/stop/", incident.run_stop, name="run_stop"),
    path("incidents/<str:code>/runs/<int:run_id>/decide/", incident.run_decide, name="run_decide"),
    path("sources/", sources.sources, name="sources"),
    path("add-source/", sources.add_source, name="add_source"),
    path("sources/<slug:slug>/", sources.source, name="source"),
    path("sources/<slug:slug>/heard/", sources.source_heard, name="source_heard"),
    path("sources/<slug:slug>/rotate/", sources.rotate_source, name="rotate_source"),
    path("sources/<slug:slug>/revoke/", sources.revoke_source, name="revoke_source"),
    path("set-up/", setup.set_up, name="set_up"),
    path("set-up/start-alone/", setup.start_alone, name="start_alone"),
    path("design/", design.design, name="design"),
    path("demo/mailbox/", mailbox.inbox, name="mailbox"),
    path("demo/mailbox/<str:name>/", mailbox.message, name="mail"),
    path("demo/mailbox/<str:name>/body/", mailbox.body, name="mail_body"),
]
