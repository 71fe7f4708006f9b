"""A Hub on the loopback interface, for tests and demonstrations: the unmodified clients push to it and pull from it.

with HubServer(tmp_path, tokens={"hf_write": User("alice", role="write")}) as hub:
    hub.seed("timm/some-model", {"config.json": b"{}"})
    subprocess.run([...], env=os.environ | hub.env(home, "hf_write"))
    assert "README.md" in hub.files("alice/student")

Large files come and go by Xet, as clients do by their defaults, and by LFS: see `HubServer`. A repo whose
`.gitattributes` is empty keeps small weights as regular files.
"""

from tests.fake_hub.access import User
from tests.fake_hub.faults import Fault, on
from tests.fake_hub.server import HubServer

__all__ = ["Fault", "HubServer", "User", "on"]
