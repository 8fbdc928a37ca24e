"""Addresses of the room."""

from django.urls import path

from hemostat.paging import views

urlpatterns = [
    path("ack/<str:token>/", views.ack, name="ack"),
    path("incidents/<str:code>/pages/", views.record, name="page_record"),
]
