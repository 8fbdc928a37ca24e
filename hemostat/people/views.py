"""The first run, people, and one's own profile."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from hemostat.base.refusals import RefusedError
from hemostat.people import actions, invitations, queries
from hemostat.people.access import current_user, requires
from hemostat.people.forms import (
    PasswordForm,
    PersonForm,
    ProfileForm,
    RoleForm,
    SetupForm,
    TokenForm,
    role_lines,
)
from hemostat.people.models import User
from hemostat.people.rules import ROLE_LABELS, ROLE_PERMISSIONS, Permission, Role

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


def _posted(request: HttpRequest) -> bool:
    return request.method == "POST"


def _unless_valid(form: object) -> int:
    """A form shown again because of what was typed is not a success."""
    return 422 if getattr(form, "is_bound", False) else 200


# ---- the first run ----


@requires(Permission.PUBLIC)
@never_cache
@sensitive_post_parameters("password", "code")
@require_http_methods(["GET", "POST"])
def setup(request: HttpRequest) -> HttpResponse:
    """Make the first account with the code from the console; there is no such page once there is one."""
    if queries.anybody():
        return redirect(settings.LOGIN_URL) if request.user.is_anonymous else redirect("/")
    form = SetupForm(request.POST if _posted(request) else None)
    if form.is_valid():
        data = form.cleaned_data
        try:
            user = actions.redeem_setup_code(
                data["code"],
                email=data["email"],
                name=data["name"],
                password=data["password"],
                language=get_language() or settings.LANGUAGE_CODE,
            )
        except RefusedError as error:
            form.refuse(error)
        else:
            login(request, user, backend=BACKEND)
            actions.note_sign_in(user)
            return redirect(settings.LOGIN_REDIRECT_URL)
    return render(request, "people/setup.html", {"form": form}, status=_unless_valid(form))


@requires(Permission.PUBLIC)
@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def join(request: HttpRequest, user_id: int, token: str) -> HttpResponse:
    """Choose a password with a link from an owner."""
    user = invitations.holder(user_id, token)
    if user is None:
        return render(request, "people/join_ended.html", status=410)
    form = PasswordForm(request.POST if _posted(request) else None)
    if form.is_valid():
        try:
            actions.set_password(user, password=form.cleaned_data["password"], actor=queries.ref(user))
        except RefusedError as error:
            form.refuse(error)
        else:
            messages.success(request, _("Your password is set. Sign in with it."))
            return redirect(settings.LOGIN_URL)
    context = {"form": form, "person": user}
    response = render(request, "people/join.html", context, status=_unless_valid(form))
    response["Referrer-Policy"] = "no-referrer"
    return response


# ---- people ----


def _known(user_id: int) -> queries.PersonView:
    person = queries.person(user_id)
    if person is None:
        raise Http404
    return person


@requires(Permission.MANAGE_PEOPLE)
@require_http_methods(["GET", "HEAD"])
def people(request: HttpRequest) -> HttpResponse:
    """Everybody who can sign in, and those who no longer can."""
    rows = [(person, ROLE_LABELS[person.role]) for person in queries.people()]
    return render(request, "people/people.html", {"rows": rows})


@requires(Permission.MANAGE_PEOPLE)
@never_cache
@require_http_methods(["GET", "POST"])
def add_person(request: HttpRequest) -> HttpResponse:
    """Add somebody and show the link with which they choose their password."""
    form = PersonForm(request.POST if _posted(request) else None)
    if form.is_valid():
        actor = queries.ref(current_user(request))
        try:
            user = actions.add_user(**form.cleaned_data, password=None, actor=actor)
        except RefusedError as error:
            form.refuse(error)
        else:
            return _invitation(request, user)
    context = {"form": form, "roles": role_lines()}
    return render(request, "people/person_add.html", context, status=_unless_valid(form))


def _invitation(request: HttpRequest, user: User) -> HttpResponse:
    """Make a link for `user` and show it, this once."""
    actions.note_invitation(user, actor=queries.ref(current_user(request)))
    context = {"person": user, "link": invitations.link(user), "days": settings.PASSWORD_RESET_TIMEOUT // 86400}
    return render(request, "people/invitation.html", context)


@requires(Permission.MANAGE_PEOPLE)
@require_http_methods(["GET", "HEAD", "POST"])
def person(request: HttpRequest, user_id: int) -> HttpResponse:
    """One person; posting changes their role."""
    form = RoleForm(request.POST if _posted(request) else None, initial={"role": _known(user_id).role.value})
    if form.is_valid():
        try:
            user = actions.change_role(
                user_id, role=form.cleaned_data["role"], actor=queries.ref(current_user(request))
            )
        except RefusedError as error:
            form.refuse(error)
        else:
            role = ROLE_LABELS[Role(user.role)]
            messages.success(request, _("%(name)s is now %(role)s.") % {"name": user, "role": role})
            return redirect("people:person", user_id)
    context = {"person": _known(user_id), "form": form, "roles": role_lines(), "me": current_user(request)}
    return render(request, "people/person.html", context, status=_unless_valid(form))


@requires(Permission.MANAGE_PEOPLE)
@never_cache
@require_POST
def invite(request: HttpRequest, user_id: int) -> HttpResponse:
    """A new link with which somebody chooses their password."""
    user = User.objects.filter(pk=_known(user_id).id, is_active=True).first()
    if user is None:
        raise Http404
    return _invitation(request, user)


@requires(Permission.MANAGE_PEOPLE)
@require_http_methods(["GET", "HEAD", "POST"])
def deactivate(request: HttpRequest, user_id: int) -> HttpResponse:
    """Ask, then shut somebody out."""
    refusal = ""
    if _posted(request):
        try:
            user = actions.deactivate(_known(user_id).id, actor=queries.ref(current_user(request)))
        except RefusedError as error:
            refusal = error.message
        else:
            messages.success(request, _("%(name)s can no longer sign in.") % {"name": user})
            return redirect("people:people")
    context = {"person": _known(user_id), "refusal": refusal}
    return render(request, "people/deactivate.html", context, status=409 if refusal else 200)


@requires(Permission.MANAGE_PEOPLE)
@require_POST
def reactivate(request: HttpRequest, user_id: int) -> HttpResponse:
    """Let somebody in again."""
    user = actions.reactivate(_known(user_id).id, actor=queries.ref(current_user(request)))
    messages.success(request, _("%(name)s can sign in again.") % {"name": user})
    return redirect("people:person", user_id)


# ---- one's own profile ----


@requires(Permission.SIGNED_IN)
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    """What I say about myself, my keys, and what I may do."""
    user = current_user(request)
    initial = {"name": user.name, "time_zone": user.time_zone, "language": user.language, "theme": user.theme}
    form = ProfileForm(request.POST if _posted(request) else None, initial=initial)
    if form.is_valid():
        try:
            actions.change_profile(user, **form.cleaned_data)
        except RefusedError as error:
            form.refuse(error)
        else:
            messages.success(request, _("Your profile is saved."))
            return redirect("people:profile")
        user = User.objects.get(pk=user.pk)
    return _profile_page(request, user, form, TokenForm(), status=_unless_valid(form))


def _profile_page(
    request: HttpRequest, user: User, form: ProfileForm, token_form: TokenForm, *, status: int
) -> HttpResponse:
    context = {
        "form": form,
        "token_form": token_form,
        "tokens": queries.tokens_of(user),
        "has_totp": queries.has_totp(user),
        "recovery_codes_left": queries.recovery_codes_left(user),
        "role": ROLE_LABELS[Role(user.role)],
        "roles": role_lines()[: list(Role).index(Role(user.role)) + 1],
        "may_manage": Permission.MANAGE_PEOPLE in ROLE_PERMISSIONS[Role(user.role)],
    }
    return render(request, "people/profile.html", context, status=status)


@requires(Permission.SIGNED_IN)
@never_cache
@require_POST
def create_token(request: HttpRequest) -> HttpResponse:
    """Make a token and show its text, this once."""
    user = current_user(request)
    form = TokenForm(request.POST)
    if form.is_valid():
        try:
            row, text = actions.create_token(user=user, name=form.cleaned_data["name"], actor=queries.ref(user))
        except RefusedError as error:
            form.refuse(error)
        else:
            return render(request, "people/token_made.html", {"token": queries.read_token(row), "text": text})
    initial = {"name": user.name, "time_zone": user.time_zone, "language": user.language, "theme": user.theme}
    return _profile_page(request, user, ProfileForm(initial=initial), form, status=422)


@requires(Permission.SIGNED_IN)
@require_http_methods(["GET", "HEAD", "POST"])
def revoke_token(request: HttpRequest, token_id: int) -> HttpResponse:
    """Ask, then end one of my tokens."""
    user = current_user(request)
    token = queries.token(token_id)
    if token is None or token.user_id != user.pk:
        raise Http404
    if _posted(request):
        actions.revoke_token(token_id, actor=queries.ref(user))
        messages.success(request, _("The token “%(name)s” no longer works.") % {"name": token.name})
        return redirect("people:profile")
    return render(request, "people/token_revoke.html", {"token": token})
