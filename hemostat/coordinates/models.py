"""The registry of coordinates: what a short code stands for. Rows are written by the intake as it meets
them.
"""

from __future__ import annotations

from django.db import models

from hemostat.coordinates.rules.exceptions import ExceptionClass


class SystemCoordinate(models.Model):
    """`{AppId}@{entryMethod}`."""

    code = models.CharField(max_length=32, primary_key=True)
    app_id = models.CharField(max_length=200)
    entry = models.CharField(max_length=300)
    first_seen_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["app_id", "entry"], name="system_coordinate_once")]

    def __str__(self) -> str:
        return f"{self.app_id}@{self.entry}"


class LinkCoordinate(models.Model):
    """The path of system coordinates from the request's entry, outermost first."""

    code = models.CharField(max_length=32, primary_key=True)
    path = models.JSONField(help_text="codes of system coordinates, outermost first")
    partial = models.BooleanField(default=False, help_text="the entry of the request is not known yet")
    first_seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.code


class ExceptionCoordinate(models.Model):
    """A kind of exception inside a system: class and code, unique inside the system, dedicated to one risk
    point.
    """

    code = models.CharField(max_length=32, primary_key=True)
    system = models.CharField(max_length=32, db_index=True, help_text="code of the system coordinate")
    exception_class = models.CharField(max_length=20, choices=[(c.value, c.value) for c in ExceptionClass])
    error_code = models.CharField(max_length=300, help_text="exception type, business code or `http 503`")
    peer = models.CharField(max_length=200, blank=True, default="")
    meaning = models.TextField(blank=True, default="")
    owner = models.CharField(max_length=120, blank=True, default="")
    first_seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.exception_class}:{self.error_code}"
