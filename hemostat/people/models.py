"""People, their API tokens, the one-time code of the first run, and answers kept for repeated requests."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models.functions import Lower

from hemostat.people.rules import ROLE_LABELS, THEME_LABELS, Permission, Role, Theme, may


class UserManager(BaseUserManager["User"]):
    """Users are made by `people.actions`; this is what Django and allauth ask for."""

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email__iexact=username)


class User(AbstractBaseUser):
    """A person who can sign in and be paged."""

    email = models.EmailField(max_length=254)
    name = models.CharField(max_length=120)
    role = models.CharField(max_length=20, choices=[(r.value, ROLE_LABELS[r]) for r in Role], default=Role.RESPONDER)
    is_active = models.BooleanField(default=True)
    time_zone = models.CharField(max_length=64, default="UTC")
    language = models.CharField(max_length=10, default="en")
    theme = models.CharField(max_length=10, choices=[(t.value, THEME_LABELS[t]) for t in Theme], default=Theme.SYSTEM)
    created_at = models.DateTimeField()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="user_email_once")]

    def __str__(self) -> str:
        return self.name or self.email

    def may(self, permission: Permission) -> bool:
        """Whether this person may do what needs `permission`."""
        return self.is_active and may(Role(self.role), permission)

    def has_perm(self, perm: str, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        """Django's own permissions are not used: there is one table, in `people.rules`."""
        return False


class ApiToken(models.Model):
    """What a program shows instead of a password; only its hash is stored."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=120)
    public_id = models.CharField(max_length=10, unique=True)
    digest = models.BinaryField(max_length=32)
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.name} (hs_{self.public_id}_…)"


class SetupCode(models.Model):
    """The one-time code that guards the first-run page; printed on the console, stored hashed."""

    digest = models.BinaryField(max_length=32)
    created_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveIntegerField(default=0, help_text="wrong tries since `counting_since`")
    counting_since = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"set-up code of {self.created_at:%Y-%m-%d %H:%M}"


class KeptAnswer(models.Model):
    """The answer to a POST that carried an `Idempotency-Key`, given again when the request is repeated."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=200)
    request_digest = models.BinaryField(max_length=32)
    body = models.TextField(blank=True, default="", help_text="sealed JSON; empty while the work is not done")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="kept_answer_once")]
        indexes = [models.Index(fields=["created_at"], name="kept_answer_age")]

    def __str__(self) -> str:
        return f"{self.key} of {self.user_id}"
