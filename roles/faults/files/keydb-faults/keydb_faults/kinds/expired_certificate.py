"""The node shows its certificate of the day before yesterday."""

from __future__ import annotations

from pathlib import Path

from keydb_faults.host import Host
from keydb_faults.kinds.certificate import BaseCertificate


class ExpiredCertificate(BaseCertificate):
    """Right in all else: only the cluster's own authority can make it, so that it is brought from the controller."""

    name = "expired_certificate"
    about = "the server runs with a certificate of the right authority that has expired"
    files = ("server.crt",)

    def why_not(self, host: Host) -> str:
        """Without the authority's key there is none."""
        return "" if host.expired_certificate.is_file() else "the controller has brought no expired certificate"

    def make(self, host: Host, directory: Path) -> dict[str, Path]:  # noqa: ARG002 - as the base has it
        """It is there already."""
        return {"server.crt": host.expired_certificate}
