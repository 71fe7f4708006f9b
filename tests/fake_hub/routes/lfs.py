"""Large files: the batch call, the upload to a signed address, the check afterwards."""

from __future__ import annotations

import hmac
import re
from typing import Any

from tests.fake_hub import errors
from tests.fake_hub.call import Call
from tests.fake_hub.wire import Response


def batch(call: Call) -> Response:
    """For each object an upload address, or none where its content is stored already."""
    data = call.request.json
    if data.get("operation") != "upload" or data.get("hash_algo", "sha256") != "sha256":
        raise errors.bad_request("Only uploads by SHA-256 are supported")
    return Response.of({"transfer": "basic", "objects": [_offer(call, entry) for entry in data.get("objects", [])]})


def upload(call: Call) -> Response:
    """Take the bytes, if they are those that the address was made for."""
    oid, size = call.args["oid"], int(call.args["size"])
    if not hmac.compare_digest(call.request.argument("signature"), _sign(call, oid, size)):
        raise errors.forbidden("The signature of the upload address is wrong")
    try:
        _, stored = call.store.objects.add(call.request.body, expected=oid)
    except ValueError as error:
        raise errors.bad_request(f"Wrong content: {error}") from error
    if stored != size:
        raise errors.bad_request(f"Wrong size: {stored} bytes, not {size}")
    return Response(headers={"ETag": f'"{oid}"'})


def verify(call: Call) -> Response:
    """200 if the object is stored with that size."""
    oid, size = str(call.request.json.get("oid")), call.request.json.get("size")
    if call.store.objects.size(oid) != size:
        raise errors.entry_not_found(f"No object {oid} of {size} bytes")
    return Response.of({})


def _offer(call: Call, entry: dict[str, Any]) -> dict[str, Any]:
    oid, size = str(entry.get("oid")), entry.get("size")
    offer: dict[str, Any] = {"oid": oid, "size": size}
    if not re.fullmatch(r"[0-9a-f]{64}", oid) or not isinstance(size, int):
        return offer | {"error": {"code": 422, "message": "The object needs a SHA-256 and a size"}}
    stored = call.store.objects.size(oid)
    if stored not in (None, size):
        return offer | {"error": {"code": 422, "message": f"The object has {stored} bytes, not {size}"}}
    if stored is None:
        offer["actions"] = {
            "upload": {"href": f"{call.url}/lfs-upload/{oid}/{size}?signature={_sign(call, oid, size)}"},
            "verify": {"href": f"{call.repo_url}.git/info/lfs/objects/verify"},
        }
    return offer


def _sign(call: Call, oid: str, size: int) -> str:
    """Upload addresses carry no token: the signature stands for the one that asked for them."""
    return hmac.digest(call.secret, f"{oid}/{size}".encode(), "sha256").hex()
