"""What the door keeps. Except for sources, rows are written by `store.py`, in processes that run without Django."""

from __future__ import annotations

from django.db import models

from hemostat.catalog.models import Environment


class Protocol(models.TextChoices):
    """What a source speaks."""

    OTLP = "otlp", "OpenTelemetry (OTLP/HTTP)"
    ALERTMANAGER = "alertmanager", "Alertmanager v2"


class Source(models.Model):
    """A sender with its own token."""

    slug = models.SlugField(max_length=64, unique=True)
    name = models.CharField(max_length=120)
    protocol = models.CharField(max_length=20, choices=Protocol.choices)
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT)
    public_id = models.CharField(max_length=10, unique=True)
    digest = models.BinaryField(max_length=32)
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_seen_at = models.DateTimeField(null=True, blank=True)
    accepted = models.BigIntegerField(default=0)
    refused = models.BigIntegerField(default=0)
    last_refusal = models.TextField(blank=True, default="")

    def __str__(self) -> str:
        return self.name


class InboxGroup(models.Model):
    """One commit group of raw alert bodies, in the order of one intake process.

    In the database the table is a ring of partitions by `slot` (migration 0002, `store.INBOX_RING`): old groups go
    by truncating a slot, not row by row.
    """

    id = models.BigAutoField(primary_key=True)
    slot = models.SmallIntegerField(help_text="which part of the ring, by the time of receipt")
    proc = models.BigIntegerField(help_text="the intake process's run; ids rise in commit order only within one")
    received_at = models.DateTimeField()
    codec = models.SmallIntegerField(help_text="0 plain, 1 lz4 block")
    count = models.IntegerField(help_text="bodies in the group")
    body = models.BinaryField()

    class Meta:
        indexes = [models.Index(fields=["proc", "id"], name="inbox_order")]

    def __str__(self) -> str:
        return f"inbox group {self.id}"


class InboxCursor(models.Model):
    """How far the engine has folded the groups of one intake process."""

    proc = models.BigIntegerField(primary_key=True)
    position = models.BigIntegerField(default=0)
    parked = models.JSONField(default=list, help_text="groups put aside: id and reason")

    def __str__(self) -> str:
        return f"{self.proc} at {self.position}"


class AcceptedBody(models.Model):
    """Hash of a telemetry body accepted in the last 15 minutes: a resend is answered and not counted twice.

    Alerts have none: an alert sent again extends the alert, that is its meaning. A ring of partitions by `slot`,
    as the inbox (`store.BODY_RING`).
    """

    pk = models.CompositePrimaryKey("slot", "digest")
    slot = models.SmallIntegerField(help_text="which part of the ring, by the time of receipt")
    digest = models.BinaryField(max_length=16)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return bytes(self.digest).hex()


class SpanBucket(models.Model):
    """RED of the ten seconds in which requests ended: counts and durations of one entry, or of one service's calls to
    one peer.

    Rows of several processes are added when read. `histogram` counts durations in logarithmic buckets and `users`
    is a HyperLogLog sketch; both merge (`intake.rules`).
    """

    pk = models.CompositePrimaryKey("bucket", "environment", "app_id", "entry", "peer", "proc")
    bucket = models.DateTimeField()
    environment = models.CharField(max_length=64)
    app_id = models.CharField(max_length=200)
    entry = models.CharField(max_length=300, help_text="the entry method; '' for calls")
    peer = models.CharField(max_length=200, help_text="'' for the entry's own requests, else the callee")
    proc = models.BigIntegerField()
    requests = models.BigIntegerField()
    failed = models.BigIntegerField()
    business_errors = models.BigIntegerField(default=0, help_text="4xx")
    duration_ms = models.FloatField(help_text="sum over the requests")
    histogram = models.BinaryField(default=bytes)
    users = models.BinaryField(default=bytes)
    failed_users = models.BinaryField(default=bytes)

    def __str__(self) -> str:
        return f"{self.app_id} {self.entry} {self.bucket:%H:%M:%S}"


class TokenBucket(models.Model):
    """Failing requests of ten seconds that were attributed to the same leaf along the same chain, and the counters
    that tell noise from news. `payload` is what `intake.rules.attribution` writes and `diagnosis` reads."""

    pk = models.CompositePrimaryKey("bucket", "environment", "key", "proc")
    bucket = models.DateTimeField()
    environment = models.CharField(max_length=64)
    key = models.CharField(max_length=40, help_text="kind of counter and hash of its key")
    proc = models.BigIntegerField()
    payload = models.JSONField()

    def __str__(self) -> str:
        return f"{self.key} {self.bucket:%H:%M:%S}"


class ExceptionBucket(models.Model):
    """Exceptions of ten seconds folded by coordinate: where (link) # what (exception)."""

    pk = models.CompositePrimaryKey("bucket", "environment", "link", "exception", "proc")
    bucket = models.DateTimeField()
    environment = models.CharField(max_length=64)
    link = models.CharField(max_length=32, help_text="code of the link coordinate")
    exception = models.CharField(max_length=32, help_text="code of the exception coordinate")
    proc = models.BigIntegerField()
    count = models.BigIntegerField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.link}#{self.exception} {self.bucket:%H:%M:%S}"


class FailingSpan(models.Model):
    """A failing span with its ids, so that a link not yet known is joined later; also the sample people look at."""

    pk = models.CompositePrimaryKey("trace_id", "span_id")
    trace_id = models.BinaryField(max_length=16)
    span_id = models.BinaryField(max_length=8)
    parent_id = models.BinaryField(max_length=8)
    environment = models.CharField(max_length=64)
    app_id = models.CharField(max_length=200)
    operation = models.CharField(max_length=300)
    at = models.DateTimeField(db_index=True)
    exception = models.CharField(max_length=32, help_text="code of the exception coordinate")
    link = models.CharField(max_length=32, default="", help_text="code of the link coordinate, as far as it is known")
    sample = models.JSONField(default=dict, help_text="redacted: host, version, message, stack, attributes")

    class Meta:
        indexes = [models.Index(fields=["exception", "-at"], name="failing_span_newest")]

    def __str__(self) -> str:
        return f"{self.app_id} {self.operation}"
