"""A certificate authority for a test, with a server's and a client's certificate."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Pair:
    certificate: Path
    key: Path


@dataclass(frozen=True)
class Certificates:
    """The server's certificate is for the address 127.0.0.1, and for no name."""

    ca: Path
    server: Pair
    client: Pair

    @classmethod
    def create(cls, directory: Path) -> Certificates:
        ca_key = ec.generate_private_key(ec.SECP256R1())
        ca_name = _name("test authority")
        ca = (
            _builder(ca_name, ca_name, ca_key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(ca_key, hashes.SHA256())
        )
        ca_path = directory / "ca.crt"
        ca_path.write_bytes(ca.public_bytes(serialization.Encoding.PEM))

        def pair(name: str, *extensions: x509.ExtensionType) -> Pair:
            key = ec.generate_private_key(ec.SECP256R1())
            builder = _builder(_name(name), ca_name, key.public_key())
            for extension in extensions:
                builder = builder.add_extension(extension, critical=False)
            signed = builder.sign(ca_key, hashes.SHA256())
            paths = Pair(directory / f"{name}.crt", directory / f"{name}.key")
            paths.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
            paths.key.write_bytes(
                key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                )
            )
            return paths

        address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        return cls(ca_path, pair("server", address), pair("client"))


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
    )
