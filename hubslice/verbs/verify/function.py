"""Check every claim of a student."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubslice.core.function import takes
from hubslice.core.progress import Reporter
from hubslice.verbs.verify.params import VerifyParams

if TYPE_CHECKING:
    from hubslice.verbs.verify.facts import Verification


@takes(VerifyParams)
def verify(params: VerifyParams, reporter: Reporter) -> Verification:
    """Check every claim of a run, of a published student `owner/name[@revision]`, or of a folder with a student.

    If `key`, a public key (PEM), or `identity` is given, the files must be signed by it.

    Raises:
        InputError: the target makes no claims, `data` cannot be opened, or signatures cannot be checked here.
        RunError: another process works in the run.
        HubError: the target cannot be fetched.
    """
    from hubslice.verbs.verify.service import verify as check

    return check(params, reporter)
