"""Large files through Xet: the tokens that the Hub gives, and the storage that they open."""

from __future__ import annotations

import re
import struct

from tests.fake_hub import errors, ranges
from tests.fake_hub.call import Call
from tests.fake_hub.wire import Response
from tests.fake_hub.xet.storage import Role


def read_token(call: Call) -> Response:
    """A token to download the files of a revision."""
    call.commit()
    return _token(call, "read")


def write_token(call: Call) -> Response:
    """A token to upload files."""
    return _token(call, "write")


def add_xorb(call: Call) -> Response:
    """Take a xorb."""
    _check(call, "write")
    try:
        new = call.xet.cas.add_xorb(_hash(call), call.request.content)
    except ValueError as error:
        raise errors.bad_request(str(error)) from error
    return Response.of({"was_inserted": new})


def add_shard(call: Call) -> Response:
    """Take a shard: from now on its files can be downloaded, and be part of a commit."""
    _check(call, "write")
    try:
        call.xet.cas.add_shard(call.request.content)
    except (ValueError, struct.error) as error:
        raise errors.bad_request(f"Malformed shard: {error}") from error
    return Response.of({"result": 1})


def reconstruction(call: Call) -> Response:
    """What a file, or a byte range of it, is made of."""
    _check(call, "read")
    file = call.xet.cas.find(_hash(call))
    if file is None:
        raise errors.entry_not_found(f"No file {_hash(call)}")
    start, stop = ranges.wanted(call.request, file.size) or (0, file.size)
    return Response.of(call.xet.cas.reconstruction(file, start, stop, call.xet.xorb_url))


def xorb(call: Call) -> Response:
    """The bytes of a xorb, or a range of them."""
    name = _hash(call)
    if not call.xet.admits_to_xorb(name, call.request.argument("signature")):
        raise errors.forbidden("The signature of the address is wrong")
    path = call.xet.cas.xorb_path(name)
    return ranges.answer(call.request, path, path.stat().st_size, {"Content-Type": "application/octet-stream"})


def _token(call: Call, role: Role) -> Response:
    token, expires = call.xet.token(role)
    headers = {"X-Xet-Cas-Url": call.xet.url, "X-Xet-Access-Token": token, "X-Xet-Token-Expiration": str(expires)}
    return Response.of({"casUrl": call.xet.url, "accessToken": token, "exp": expires}, headers=headers)


def _check(call: Call, role: Role) -> None:
    scheme, _, token = call.request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not call.xet.admits(token, role):
        raise errors.unauthorized("Invalid token for the storage")


def _hash(call: Call) -> str:
    name = call.args["hash"]
    if not re.fullmatch("[0-9a-f]{64}", name):
        raise errors.bad_request(f"Not a hash: {name}")
    return name
