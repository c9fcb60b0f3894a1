"""What a node is told about itself and its peers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """Settings of one node.

    ``peers`` is name to address. ``config`` is the server's configuration, ``auth`` its file with ``masteruser`` and
    ``masterauth``, ``acl`` the one with all users, ``data`` its working directory and ``run`` one that a boot empties.
    ``ca``, ``certificate`` and ``key`` are files, or empty without TLS. Times are in seconds: ``wait_s`` for a peer
    of which nothing is known, ``attach_s`` for the peers to follow this node and for a copy of theirs to begin,
    ``link_s`` for one copy to be there.
    """

    address: str
    port: int
    peers: dict[str, str]
    ca: str
    certificate: str
    key: str
    config: str
    auth: str
    acl: str
    data: str
    run: str
    wait_s: float
    attach_s: float
    link_s: float

    @classmethod
    def read(cls, path: Path) -> Settings:
        """Raises OSError, or ValueError and TypeError for a file that is not of this kind."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    @property
    def started_config(self) -> Path:
        """The configuration that the server is started with: ``config``, but for its users and whom it follows."""
        return Path(self.run, "keydb.conf")

    @property
    def users_file(self) -> Path:
        """Where the server looks for its users: a link to all of them, or to those who may come in meanwhile."""
        return Path(self.run, "users.acl")

    @property
    def plan_file(self) -> Path:
        """From one half of this program to the other: whom to take the data from."""
        return Path(self.run, "joining.json")

    def replication_user(self) -> tuple[str, str]:
        """Name and password by which nodes know each other. Raises OSError, and KeyError where the file lacks one."""
        lines = Path(self.auth).read_text(encoding="utf-8").splitlines()
        said = {name: value.strip() for name, _, value in (line.partition(" ") for line in lines)}
        return said["masteruser"], said["masterauth"]
