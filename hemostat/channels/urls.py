"""Addresses of the room: how I am paged, and notices seen."""

from django.urls import path

from hemostat.channels import views

app_name = "channels"
urlpatterns = [
    path("profile/ways/", views.ways, name="ways"),
    path("profile/ways/<int:method_id>/code/", views.send_code, name="send_code"),
    path("profile/ways/<int:method_id>/verify/", views.verify, name="verify"),
    path("profile/ways/<int:method_id>/test/", views.send_test, name="send_test"),
    path("profile/ways/<int:method_id>/first/", views.put_first, name="put_first"),
    path("profile/ways/<int:method_id>/remove/", views.remove, name="remove"),
    path("notices/<int:notice_id>/seen/", views.seen, name="seen"),
]
