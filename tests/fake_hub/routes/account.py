"""Tokens, and the card check: what needs no repo."""

from __future__ import annotations

from tests.fake_hub import access, cards, errors
from tests.fake_hub.call import Call
from tests.fake_hub.wire import Response


def whoami(call: Call) -> Response:
    """The user of the token, its role and the organisations."""
    user = access.check_user(call.user)
    return Response.of(
        {
            "type": "user",
            "id": user.name,
            "name": user.name,
            "fullname": user.name.title(),
            "email": f"{user.name}@example.com",
            "emailVerified": True,
            "isPro": False,
            "orgs": [{"type": "org", "name": org, "fullname": org, "roleInOrg": "write"} for org in user.orgs],
            "auth": {
                "type": "access_token",
                "accessToken": {"displayName": f"{user.name}'s token", "role": user.role},
            },
        }
    )


def validate_yaml(call: Call) -> Response:
    """200 for a good card (with a warning where it has no metadata), 400 with all faults otherwise."""
    content = str(call.request.json.get("content", ""))
    faults = cards.faults(content, f"{call.request.json.get('repoType', 'model')}s")
    if faults:
        raise errors.bad_request("Invalid metadata in README.md", faults)
    warnings = [] if cards.read(content) else [{"message": "empty or missing yaml metadata in repo card"}]
    return Response.of({"errors": [], "warnings": warnings})


def auth_check(call: Call) -> Response:
    """200: the check of the route was passed."""
    return Response.of({"ok": True})
