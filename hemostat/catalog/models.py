"""Environments and services."""

from __future__ import annotations

from django.db import models

from hemostat.catalog.rules import Tier


class Environment(models.Model):
    """`deployment.environment.name`; only one marked `paging` opens incidents."""

    slug = models.SlugField(max_length=64, unique=True)
    paging = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.slug


class Service(models.Model):
    """A service by its AppId; made by hand, or by itself when telemetry names it."""

    app_id = models.CharField(max_length=200, unique=True)
    slug = models.SlugField(max_length=64, unique=True)
    label = models.CharField(max_length=120, help_text="what people call it")
    tier = models.CharField(max_length=20, choices=[(t.value, t.value) for t in Tier], default=Tier.NORMAL)
    description = models.TextField(blank=True, default="")
    purpose = models.CharField(
        max_length=120, blank=True, default="", help_text="what users cannot do when it fails, e.g. “pay”"
    )
    policy_slug = models.SlugField(
        max_length=64, blank=True, default="", help_text="escalation policy; empty: the default"
    )
    discovered = models.BooleanField(default=False)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.label or self.app_id
