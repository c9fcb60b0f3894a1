"""The node shows a certificate of an authority that nobody knows."""

from __future__ import annotations

from pathlib import Path

from keydb_faults.host import Host
from keydb_faults.kinds.certificate import BaseCertificate


class WrongCertificate(BaseCertificate):
    """Its key and its authority are born for this, and gone with it."""

    name = "wrong_certificate"
    about = "the server runs with a certificate of another authority, which nobody accepts"
    files = ("server.crt", "server.key")

    def why_not(self, host: Host) -> str:
        """It is made on the host."""
        return "" if host.has("openssl") else "openssl is not installed"

    def make(self, host: Host, directory: Path) -> dict[str, Path]:
        """Signed by itself: an authority of its own."""
        certificate, key = directory / "server.crt", directory / "server.key"
        new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(key)]
        names = ["-subj", f"/CN={host.name}", "-addext", f"subjectAltName=DNS:{host.name},IP:{host.address}"]
        host.run("openssl", "req", "-x509", *new_key, *names, "-days", "2", "-out", str(certificate))
        return {"server.crt": certificate, "server.key": key}
