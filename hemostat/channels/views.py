"""How I am paged: my ways in their order, each proven by a code that came through it; and notices I have seen."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from hemostat.base.refusals import RefusedError
from hemostat.channels import actions, queries
from hemostat.channels.forms import CodeForm, MethodForm
from hemostat.channels.rules import Outcome, OutcomeKind
from hemostat.people.access import current_user, requires
from hemostat.people.models import User
from hemostat.people.queries import ref
from hemostat.people.rules import Permission


@requires(Permission.SIGNED_IN)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def ways(request: HttpRequest) -> HttpResponse:
    """My ways, and a new one."""
    user = current_user(request)
    form = MethodForm(
        request.POST if request.method == "POST" else None, initial={"kind": "email", "address": user.email}
    )
    secret = ""
    if form.is_valid():
        try:
            added = actions.add_method(user=user, actor=ref(user), **form.cleaned_data)
        except RefusedError as error:
            form.refuse(error)
        else:
            secret = added.secret
            if added.method.verified_at is None and not secret:
                _send_code(request, user, added.method.pk)
            if not secret:
                return redirect("channels:ways")
            form = MethodForm()
    return _page(request, user, form, secret=secret, status=200 if secret or not form.errors else 422)


def _page(
    request: HttpRequest,
    user: User,
    form: MethodForm,
    *,
    secret: str = "",
    code_form: CodeForm | None = None,
    code_of: int = 0,
    status: int = 200,
) -> HttpResponse:
    context = {
        "ways": queries.methods_of(user),
        "form": form,
        "secret": secret,
        "code_form": code_form or CodeForm(),
        "code_of": code_of,
    }
    return render(request, "channels/ways.html", context, status=status)


def _tell(request: HttpRequest, outcome: Outcome, taken: str) -> None:
    if outcome.kind is OutcomeKind.ACCEPTED:
        messages.success(request, taken)
        return
    told = _("It did not go out yet: %(answer)s. Nothing was changed; try again.") % {"answer": outcome.answer}
    messages.error(request, told)


def _send_code(request: HttpRequest, user: User, method_id: int) -> None:
    try:
        outcome = actions.send_code(method_id, user=user)
    except RefusedError as error:
        messages.error(request, error.message)
    else:
        _tell(request, outcome, _("A code is on its way. Type it in to prove that it reaches you."))


@requires(Permission.SIGNED_IN)
@require_POST
def send_code(request: HttpRequest, method_id: int) -> HttpResponse:
    """Send me a code by this way."""
    _send_code(request, current_user(request), method_id)
    return redirect("channels:ways")


@requires(Permission.SIGNED_IN)
@require_POST
def verify(request: HttpRequest, method_id: int) -> HttpResponse:
    """This is the code that came."""
    user = current_user(request)
    form = CodeForm(request.POST)
    if form.is_valid():
        try:
            actions.verify(method_id, form.cleaned_data["code"], user=user)
        except RefusedError as error:
            form.refuse(error)
        else:
            messages.success(request, _("It works: pages can reach you this way."))
            return redirect("channels:ways")
    return _page(request, user, MethodForm(), code_form=form, code_of=method_id, status=422)


@requires(Permission.SIGNED_IN)
@require_POST
def send_test(request: HttpRequest, method_id: int) -> HttpResponse:
    """Send me a test message by this way."""
    try:
        outcome = actions.send_test(method_id, user=current_user(request))
    except RefusedError as error:
        messages.error(request, error.message)
    else:
        _tell(request, outcome, _("A test message was taken: %(answer)s") % {"answer": outcome.answer})
    return redirect("channels:ways")


@requires(Permission.SIGNED_IN)
@require_POST
def put_first(request: HttpRequest, method_id: int) -> HttpResponse:
    """Try this way before the others."""
    actions.order_methods([method_id], user=current_user(request))
    return redirect("channels:ways")


@requires(Permission.SIGNED_IN)
@require_POST
def remove(request: HttpRequest, method_id: int) -> HttpResponse:
    """Never use this way again."""
    user = current_user(request)
    if actions.remove_method(method_id, user=user, actor=ref(user)):
        messages.success(request, _("This way was removed."))
    return redirect("channels:ways")


@requires(Permission.SIGNED_IN)
@require_POST
def seen(request: HttpRequest, notice_id: int) -> HttpResponse:
    """I have seen this notice; back to the page where it was shown."""
    actions.see(notice_id, user=current_user(request))
    back = request.headers.get("Referer", "")
    if url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}):
        return redirect(back)
    return redirect("/")
