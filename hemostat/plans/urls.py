"""Addresses of the plan library."""

from __future__ import annotations

from django.urls import path

from hemostat.plans import views

app_name = "plans"
urlpatterns = [
    path("plans/", views.plans, name="plans"),
    path("plans/<slug:slug>/", views.plan, name="plan"),
]
