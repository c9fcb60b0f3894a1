#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Ansible module: which of a node's certificates are due, and why. It reads only."""

from __future__ import annotations

import datetime as dt
import grp
import ipaddress
import pwd
import stat
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ImportError:
    CRYPTOGRAPHY_IMPORT_ERROR = traceback.format_exc()
else:
    CRYPTOGRAPHY_IMPORT_ERROR = ""

DOCUMENTATION = r"""
module: pki_look
short_description: Tell which certificates of a node are due, and why
description:
  - Looks in one round trip at the key, the certificate with its chain, the CA certificate and the directory of each
    certificate. Changes nothing, and nothing of a key is told but whether it fits.
options:
  certificates:
    type: list
    elements: dict
    required: true
    description: As in the variable C(pki_certificates).
    suboptions:
      name: {type: str, required: true, description: File name without suffix.}
      directory: {type: path, required: true, description: Where its files are.}
      group: {type: str, required: true, description: Group that may read the key.}
      usages: {type: list, elements: str, required: true, description: Extended key usages.}
  host: {type: str, required: true, description: "The host's name, in the certificate."}
  address: {type: str, required: true, description: "The host's address, in the certificate."}
  ca: {type: str, required: true, description: "The CA certificate, PEM."}
  renew_before_days: {type: int, required: true, description: A certificate with fewer days left than this is due.}
"""

RETURN = r"""
due:
  type: dict
  returned: always
  description:
    - Certificates that are due by name, with the reasons in C(files) (what is missing or open to the wrong people) and
      in C(certificate) (what must be signed anew), a sentence each.
"""

_GONE = "is not there"


@dataclass(frozen=True)
class Wanted:
    """One certificate as it ought to be."""

    name: str
    directory: Path
    group: str
    usages: tuple[str, ...]
    host: str
    address: str
    ca: str
    renew_before_days: int

    @property
    def is_public(self) -> bool:
        """Whether the directory is open to all; the key never is."""
        return self.group == "root"

    def file(self, suffix: str) -> Path:
        """Path of the key (``key``) or the certificate (``crt``)."""
        return self.directory / f"{self.name}.{suffix}"


def file_reasons(wanted: Wanted, owner: str = "root") -> Iterator[str]:
    """What is missing, or has the wrong owner, group or mode."""
    modes = {
        wanted.directory: 0o755 if wanted.is_public else 0o750,
        wanted.file("key"): 0o600 if wanted.is_public else 0o640,
        wanted.file("crt"): 0o644,
        wanted.directory / "ca.crt": 0o644,
    }
    for path, mode in modes.items():
        try:
            found = path.stat()
        except OSError:
            yield f"{path} {_GONE}"
            continue
        seen = f"{_names(found.st_uid, found.st_gid)} {stat.S_IMODE(found.st_mode):o}"
        right = f"{owner}:{wanted.group} {mode:o}"
        if seen != right:
            yield f"{path} is {seen}, not {right}"


def _names(uid: int, gid: int) -> str:
    try:
        return f"{pwd.getpwuid(uid).pw_name}:{grp.getgrgid(gid).gr_name}"
    except KeyError:
        return f"{uid}:{gid}"


def certificate_reasons(wanted: Wanted, now: dt.datetime) -> Iterator[str]:
    """Why the certificate is not, or not for long, what it ought to be. Its files are there."""
    try:
        key = serialization.load_pem_private_key(wanted.file("key").read_bytes(), password=None)
    except (ValueError, TypeError):
        yield "its key cannot be read"
        return
    if not (isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1)):
        yield "its key is of another kind"
        return
    ca = x509.load_pem_x509_certificate(wanted.ca.encode())
    try:
        leaf, *chain = map(_certificate, split(wanted.file("crt").read_text("utf-8")))
        kept = _certificate((wanted.directory / "ca.crt").read_text("utf-8"))
    except ValueError:
        yield "it cannot be read"
        return
    if _public_bytes(leaf.public_key()) != _public_bytes(key.public_key()):
        yield "it is for another key"
    if kept != ca or chain != [ca]:
        yield "it comes with another CA's certificate"
    if leaf.issuer != ca.subject or not signed_by(leaf, ca):
        yield "another CA signed it"
    yield from _content_reasons(wanted, leaf)
    begin, end = _validity(leaf)
    if now < begin:
        yield "it is not valid yet"
    if (end - now).days < wanted.renew_before_days:
        yield f"it ends at {end:%Y-%m-%d %H:%M} UTC"


def split(pem: str) -> list[str]:
    """The certificates of a chain, each as PEM."""
    end = "-----END CERTIFICATE-----\n"
    return [part + end for part in f"{pem.strip()}\n".split(end) if part.strip()]


def _certificate(pem: str) -> Any:
    return x509.load_pem_x509_certificate(pem.encode())


def _content_reasons(wanted: Wanted, leaf: Any) -> Iterator[str]:
    common = [name.value for name in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    names = _extension(leaf, x509.SubjectAlternativeName)
    found = [
        *(names.get_values_for_type(x509.DNSName) if names else []),
        *map(str, names.get_values_for_type(x509.IPAddress) if names else []),
    ]
    right = [wanted.host, str(ipaddress.ip_address(wanted.address))]
    if common != [wanted.host] or found != right:
        yield f"it is for {', '.join(dict.fromkeys([*common, *found]))}, not for {', '.join(right)}"
    known = {"serverAuth": ExtendedKeyUsageOID.SERVER_AUTH, "clientAuth": ExtendedKeyUsageOID.CLIENT_AUTH}
    if set(_extension(leaf, x509.ExtendedKeyUsage) or ()) != {known[usage] for usage in wanted.usages}:
        yield f"it is not for exactly {', '.join(wanted.usages)}"
    uses, limits = _extension(leaf, x509.KeyUsage), _extension(leaf, x509.BasicConstraints)
    if not uses or not uses.digital_signature or uses.key_cert_sign or limits is None or limits.ca:
        yield "it is not a plain end certificate"


def _extension(certificate: Any, kind: Any) -> Any:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _public_bytes(key: Any) -> Any:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def signed_by(leaf: Any, ca: Any) -> bool:
    """Whether the CA's key made the signature. Old releases of the library have no function of their own for it."""
    key = ca.public_key()
    how: tuple[Any, ...] = ()
    if isinstance(key, rsa.RSAPublicKey):
        how = (padding.PKCS1v15(), leaf.signature_hash_algorithm)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        how = (ec.ECDSA(leaf.signature_hash_algorithm),)
    try:
        key.verify(leaf.signature, leaf.tbs_certificate_bytes, *how)
    except (InvalidSignature, TypeError):
        return False
    return True


def _validity(certificate: Any) -> tuple[dt.datetime, dt.datetime]:
    """From when to when a certificate is valid, with the time zone that old releases of the library leave out."""
    if hasattr(certificate, "not_valid_after_utc"):
        return certificate.not_valid_before_utc, certificate.not_valid_after_utc
    utc = dt.timezone.utc
    return certificate.not_valid_before.replace(tzinfo=utc), certificate.not_valid_after.replace(tzinfo=utc)


def reasons(wanted: Wanted, now: dt.datetime, owner: str = "root") -> dict[str, list[str]]:
    """Why a certificate is due, in ``files`` and ``certificate``; nothing in them if it is not."""
    files = list(file_reasons(wanted, owner))
    # What is not there is made, and what depends on it then follows by itself.
    complete = not any(reason.endswith(_GONE) for reason in files)
    return {"files": files, "certificate": list(certificate_reasons(wanted, now)) if complete else []}


def main() -> None:
    """Ansible's entry."""
    module = AnsibleModule(
        argument_spec={
            "certificates": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "directory": {"type": "path", "required": True},
                    "group": {"type": "str", "required": True},
                    "usages": {"type": "list", "elements": "str", "required": True},
                },
            },
            "host": {"type": "str", "required": True},
            "address": {"type": "str", "required": True},
            "ca": {"type": "str", "required": True},
            "renew_before_days": {"type": "int", "required": True},
        },
        supports_check_mode=True,
    )
    if CRYPTOGRAPHY_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("cryptography"), exception=CRYPTOGRAPHY_IMPORT_ERROR)
    given = module.params
    common = {name: given[name] for name in ("host", "address", "ca", "renew_before_days")}
    due = {}
    for each in given["certificates"]:
        named = {"directory": Path(each["directory"]), "usages": tuple(each["usages"])}
        wanted = Wanted(**{**each, **named, **common})
        found = reasons(wanted, dt.datetime.now(dt.timezone.utc))
        if any(found.values()):
            due[wanted.name] = found
    module.exit_json(changed=False, due=due)


if __name__ == "__main__":
    main()
