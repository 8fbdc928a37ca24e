"""Django's settings, made from `hemostat.site.config`."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from django.utils.translation import gettext_lazy as _

from hemostat.site import keys
from hemostat.site.config import config
from hemostat.site.database import django_database

CONFIG = config()

DEBUG = CONFIG.debug
SECRET_KEY, *SECRET_KEY_FALLBACKS = keys.signing_keys(CONFIG)
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", urlsplit(CONFIG.public_url).hostname or "", *CONFIG.allowed_hosts]
CSRF_TRUSTED_ORIGINS = [CONFIG.public_url]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_htmx",
    "hemostat.base",
    "hemostat.events",
    "hemostat.people",
    "hemostat.catalog",
    "hemostat.coordinates",
    "hemostat.oncall",
    "hemostat.channels",
    "hemostat.intake",
    "hemostat.detection",
    "hemostat.alerts",
    "hemostat.diagnosis",
    "hemostat.incidents",
    "hemostat.paging",
    "hemostat.plans",
    "hemostat.desk",
    "allauth",  # after people, whose templates stand in for allauth's
    "allauth.account",
    "allauth.mfa",
    "hemostat.site.apps.SiteConfig",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "hemostat.base.csp.ContentSecurityPolicy",
    "django.middleware.gzip.GZipMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "hemostat.people.middleware.ReaderMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "hemostat.site.urls"
WSGI_APPLICATION = None

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "hemostat.base.navigation.context",
                "hemostat.channels.context.notices",
            ],
        },
    }
]

DATABASES = {"default": django_database(CONFIG, pooled=os.environ.get("HEMOSTAT_PROCESS") == "web")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "people.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("email", "name")},
    },
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "hemostat.people.adapters.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_FORMS = {
    "login": "hemostat.people.forms.SignInForm",
    "reauthenticate": "hemostat.people.forms.PasswordOnceMoreForm",
    "change_password": "hemostat.people.forms.NewPasswordForm",
}
ACCOUNT_EMAIL_NOTIFICATIONS = False
ACCOUNT_SESSION_REMEMBER = None
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_RATE_LIMITS = {"login": "30/m/ip", "login_failed": "30/m/ip,5/5m/key", "reauthenticate": "10/m/user"}
MFA_ADAPTER = "hemostat.people.adapters.SecondStepAdapter"
MFA_FORMS = {
    "authenticate": "hemostat.people.forms.CodeForm",
    "reauthenticate": "hemostat.people.forms.CodeOnceMoreForm",
    "activate_totp": "hemostat.people.forms.FirstCodeForm",
}
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_ALLOW_UNVERIFIED_EMAIL = True

# Rate limits of signing in count in the database, so that they hold across all web processes.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "people_shared_cache"}}

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English"))]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
WHITENOISE_MAX_AGE = 31_536_000  # addresses carry the content's hash ({% asset %})

SESSION_COOKIE_AGE = 30 * 24 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "hemostat.site.error_pages.csrf_failure"
_https = CONFIG.public_url.startswith("https://")
SESSION_COOKIE_SECURE = _https
CSRF_COOKIE_SECURE = _https
LOGGING_CONFIG = None
