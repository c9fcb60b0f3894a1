"""Every reason for which a certificate is due is seen, and nothing else makes it due."""

from __future__ import annotations

import datetime as dt
import grp
import ipaddress
import json
import os
import pwd
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pki_look
import pytest
from ansible.module_utils.testing import patch_module_args
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = dt.datetime.now(dt.timezone.utc)
OWNER, GROUP = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
USAGES = {"serverAuth": ExtendedKeyUsageOID.SERVER_AUTH, "clientAuth": ExtendedKeyUsageOID.CLIENT_AUTH}


def pem(thing: Any) -> str:
    if isinstance(thing, x509.Certificate):
        return thing.public_bytes(serialization.Encoding.PEM).decode()
    kind = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    text: str = thing.private_bytes(serialization.Encoding.PEM, *kind).decode()
    return text


class Authority:
    def __init__(self, key: Any = None) -> None:
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA")])
        self.certificate = self.sign(self.key.public_key(), "CA", [], ca=True, days=3650)

    def sign(
        self,
        key: Any,
        common_name: str,
        names: list[x509.GeneralName],
        usages: tuple[str, ...] = (),
        *,
        ca: bool = False,
        days: float = 365,
        begins: float = -1,
    ) -> x509.Certificate:
        uses = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"), False
        )
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW + dt.timedelta(days=begins))
            .not_valid_after(NOW + dt.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(
                x509.KeyUsage(digital_signature=not ca, key_cert_sign=ca, crl_sign=ca, decipher_only=False, **uses),
                critical=True,
            )
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage([USAGES[usage] for usage in usages]), critical=False)
        return builder.sign(self.key, None if isinstance(self.key, ed25519.Ed25519PrivateKey) else hashes.SHA256())


class Node:
    """A node's files as the role makes them."""

    def __init__(self, directory: Path, authority: Authority) -> None:
        self.authority = authority
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.wanted = pki_look.Wanted(
            name="server",
            directory=directory / "tls",
            group=GROUP,
            usages=("serverAuth", "clientAuth"),
            host="node1",
            address="10.77.0.11",
            ca=pem(authority.certificate),
            renew_before_days=30,
        )
        self.wanted.directory.mkdir()
        self.write_key(pem(self.key))
        self.write("ca.crt", pem(authority.certificate))
        self.install()
        self.wanted.directory.chmod(0o755 if self.wanted.is_public else 0o750)

    def write(self, name: str, text: str, mode: int = 0o644) -> None:
        path = self.wanted.directory / name
        path.write_text(text)
        path.chmod(mode)

    def write_key(self, text: str) -> None:
        self.write("server.key", text, 0o600 if self.wanted.is_public else 0o640)

    def install(
        self,
        *,
        by: Authority | None = None,
        key: Any = None,
        name: str = "node1",
        address: str = "10.77.0.11",
        usages: tuple[str, ...] = ("clientAuth", "serverAuth"),
        **more: Any,
    ) -> None:
        """Write a certificate that differs in what is given."""
        names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address(address))]
        signed = (by or self.authority).sign((key or self.key).public_key(), name, names, usages, **more)
        self.write("server.crt", pem(signed) + pem(self.authority.certificate))

    def reasons(self, **changes: Any) -> dict[str, list[str]]:
        return pki_look.reasons(replace(self.wanted, **changes), NOW, owner=OWNER)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path, Authority())


NOT_DUE: dict[str, list[str]] = {"files": [], "certificate": []}


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP384R1()),
        rsa.generate_private_key(65537, 2048),
        ed25519.Ed25519PrivateKey.generate(),
    ],
    ids=["P-256", "P-384", "RSA", "Ed25519"],
)
def test_what_is_right_is_not_due_whatever_key_the_authority_has(tmp_path: Path, key: Any) -> None:
    node = Node(tmp_path, Authority(key))
    assert node.reasons() == NOT_DUE
    node.install(by=Authority(type(key).generate() if hasattr(key, "generate") else None))
    assert node.reasons()["certificate"] == ["another CA signed it"]


Change = Callable[[Node], object]
CHANGES: dict[str, tuple[Change, str]] = {
    "expired": (lambda node: node.install(days=-0.1), "it ends at "),
    "near its end": (lambda node: node.install(days=29.9), "it ends at "),
    "not valid yet": (lambda node: node.install(begins=0.1), "it is not valid yet"),
    "another CA of the same name": (lambda node: node.install(by=Authority()), "another CA signed it"),
    "another key": (
        lambda node: node.write_key(pem(ec.generate_private_key(ec.SECP256R1()))),
        "it is for another key",
    ),
    "a key of another kind": (
        lambda node: node.write_key(pem(ec.generate_private_key(ec.SECP384R1()))),
        "its key is of another kind",
    ),
    "no key": (lambda node: node.write_key("rubbish\n"), "its key cannot be read"),
    "another name": (lambda node: node.install(name="node2"), "it is for node2, 10.77.0.11, not for node1, 10.77.0.11"),
    "another address": (lambda node: node.install(address="10.77.0.12"), "it is for node1, 10.77.0.12, not for"),
    "fewer usages": (lambda node: node.install(usages=("clientAuth",)), "it is not for exactly serverAuth, clientAuth"),
    "no usages": (lambda node: node.install(usages=()), "it is not for exactly serverAuth, clientAuth"),
    "an authority": (lambda node: node.install(ca=True), "it is not a plain end certificate"),
    "rubbish": (lambda node: node.write("server.crt", "rubbish\n"), "it cannot be read"),
    "empty": (lambda node: node.write("server.crt", ""), "it cannot be read"),
    "another CA beside it": (
        lambda node: node.write("ca.crt", pem(Authority().certificate)),
        "it comes with another CA's certificate",
    ),
    "no chain": (
        lambda node: node.write("server.crt", pki_look.split((node.wanted.directory / "server.crt").read_text())[0]),
        "it comes with another CA's certificate",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_it_must_be_signed_anew(node: Node, change: str) -> None:
    make, reason = CHANGES[change]
    assert node.reasons() == NOT_DUE
    make(node)
    found = node.reasons()
    assert found["files"] == []
    assert len(found["certificate"]) == 1, found
    assert found["certificate"][0].startswith(reason)


def test_fewer_usages_are_wanted_than_there_are(node: Node) -> None:
    assert node.reasons(usages=("clientAuth",))["certificate"] == ["it is not for exactly clientAuth"]


def test_the_last_day_before_renewal(node: Node) -> None:
    node.install(days=30.01)
    assert node.reasons() == NOT_DUE
    assert len(node.reasons(renew_before_days=31)["certificate"]) == 1


@pytest.mark.parametrize("name", ["server.key", "server.crt", "ca.crt", "."])
def test_a_file_with_other_permissions(node: Node, name: str) -> None:
    path = node.wanted.directory / name
    path.chmod(0o777)
    found = node.reasons()
    assert found["certificate"] == []
    assert len(found["files"]) == 1
    assert found["files"][0].startswith(f"{path} is {OWNER}:{GROUP} 777, not ")


def test_another_group_or_owner(node: Node) -> None:
    other = "daemon" if GROUP != "daemon" else "bin"
    assert len(node.reasons(group=other)["files"]) == 4
    assert len(pki_look.reasons(node.wanted, NOW, owner=other)["files"]) == 4


@pytest.mark.parametrize("name", ["server.key", "server.crt", "ca.crt"])
def test_a_file_that_is_gone(node: Node, name: str) -> None:
    path = node.wanted.directory / name
    path.unlink()
    assert node.reasons() == {"files": [f"{path} is not there"], "certificate": []}


def test_a_bare_host(node: Node, tmp_path: Path) -> None:
    found = node.reasons(directory=tmp_path / "nowhere")
    assert len(found["files"]) == 4
    assert found["certificate"] == []


def test_the_module(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = node.wanted
    certificate = {"name": "server", "directory": str(wanted.directory), "group": GROUP, "usages": list(wanted.usages)}
    other = {**certificate, "name": "client", "directory": "/nowhere"}
    arguments = {
        "certificates": [certificate, other],
        "host": "node1",
        "address": "10.77.0.11",
        "ca": wanted.ca,
        "renew_before_days": 30,
    }
    with patch_module_args(arguments), pytest.raises(SystemExit):
        pki_look.main()
    result = json.loads(capsys.readouterr().out)
    assert result["changed"] is False
    assert "/nowhere is not there" in result["due"]["client"]["files"]
    # As root's, which it is where the tests run as root.
    assert ("server" in result["due"]) is (OWNER != "root")
