"""The sentences of what happens to people and their keys."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

TEXTS = {
    "people.user_added": _("{name} was added as {role}."),
    "people.installation_claimed": _("{name} made the first account with the code from the console."),
    "people.role_changed": _("{name} is now {after}, was {before}."),
    "people.deactivated": _("{name} can no longer sign in; their tokens no longer work."),
    "people.reactivated": _("{name} can sign in again."),
    "people.profile_changed": _("{name} changed their profile."),
    "people.password_changed": _("The password of {name} was changed."),
    "people.invited": _("A link to choose a password was made for {name}."),
    "people.token_created": _("{name} made the token “{token}”."),
    "people.token_revoked": _("The token “{token}” of {name} was revoked."),
    "people.signed_in": _("{name} signed in."),
    "people.sign_in_failed": _("Somebody tried to sign in as {name} with a wrong password or code."),
    "people.totp_added": _("{name} set up sign-in codes."),
    "people.totp_removed": _("{name} gave up sign-in codes."),
    "people.recovery_codes_made": _("{name} made new recovery codes."),
    "people.setup_code_issued": _("A set-up code was printed on the console."),
}
