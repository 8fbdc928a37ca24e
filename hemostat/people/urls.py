"""Addresses of the first run, of people and of one's own profile."""

from __future__ import annotations

from django.urls import path

from hemostat.people import views

app_name = "people"
urlpatterns = [
    path("setup/", views.setup, name="setup"),
    path("join/<int:user_id>/<str:token>/", views.join, name="join"),
    path("settings/people/", views.people, name="people"),
    path("settings/people/add/", views.add_person, name="add_person"),
    path("settings/people/<int:user_id>/", views.person, name="person"),
    path("settings/people/<int:user_id>/invite/", views.invite, name="invite"),
    path("settings/people/<int:user_id>/deactivate/", views.deactivate, name="deactivate"),
    path("settings/people/<int:user_id>/reactivate/", views.reactivate, name="reactivate"),
    path("profile/", views.profile, name="profile"),
    path("profile/tokens/", views.create_token, name="create_token"),
    path("profile/tokens/<int:token_id>/revoke/", views.revoke_token, name="revoke_token"),
]
