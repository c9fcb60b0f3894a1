"""Certificates: whose they are, what for, and that the authority's key stayed where it is."""

from __future__ import annotations

import datetime as dt

import on_node_services
import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID
from nodes_cluster import Cluster, Node

testinfra_hosts = ["ansible://keydb_nodes"]

CERTIFICATES = {
    "/etc/keydb/tls/server.crt": {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH},
    "/etc/keydb-observer/tls/client.crt": {ExtendedKeyUsageOID.CLIENT_AUTH},
}


@pytest.mark.parametrize(
    ("path", "purpose"),
    [
        ("/etc/keydb/tls/server.crt", "sslserver"),
        ("/etc/keydb/tls/server.crt", "sslclient"),
        ("/etc/keydb-observer/tls/client.crt", "sslclient"),
    ],
)
def test_openssl_accepts_it_for_this_host_only(cluster: Cluster, node: Node, path: str, purpose: str) -> None:
    other = next(each for each in cluster.nodes.values() if each is not node)
    ca = path.rsplit("/", 1)[0] + "/ca.crt"

    def verdict(name: str, address: str, purpose: str = purpose) -> str:
        return str(
            node.ask(
                on_node_services.certificate_verdict,
                certificate=path,
                ca=ca,
                purpose=purpose,
                name=name,
                address=address,
            )
        )

    assert verdict(node.name, node.address) == "OK"
    assert "hostname mismatch" in verdict(other.name, node.address)
    assert "IP address mismatch" in verdict(node.name, other.address)
    if "client.crt" in path:
        assert "certificate purpose" in verdict(node.name, node.address, "sslserver")


@pytest.mark.parametrize("path", CERTIFICATES)
def test_names_usages_and_days(cluster: Cluster, node: Node, path: str) -> None:
    text = node.ask(on_node_services.read_text, path=path)
    leaf, authority = x509.load_pem_x509_certificates(text.encode())
    own = x509.load_pem_x509_certificate((cluster.secrets_dir / "ca.crt").read_bytes())
    assert authority == own
    leaf.verify_directly_issued_by(own)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [node.name]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == [node.address]
    usages = leaf.extensions.get_extension_for_oid(ExtensionOID.EXTENDED_KEY_USAGE).value
    assert set(usages) == CERTIFICATES[path]
    now = dt.datetime.now(dt.timezone.utc)
    days = int(cluster.variables.get("pki_certificate_days", 365))
    renewal = int(cluster.variables.get("pki_renew_before_days", 30))
    assert dt.timedelta(days=renewal) < leaf.not_valid_after_utc - now <= dt.timedelta(days=days)
    assert leaf.not_valid_before_utc < now
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_every_key_is_another_one(cluster: Cluster) -> None:
    texts = [
        node.ask(on_node_services.read_text, path=path).encode()
        for node in cluster.nodes.values()
        for path in CERTIFICATES
    ]
    texts.append((cluster.secrets_dir / "ca.crt").read_bytes())
    keys = {x509.load_pem_x509_certificates(text)[0].public_key().public_numbers() for text in texts}  # type: ignore[union-attr]
    assert len(keys) == 2 * len(cluster.nodes) + 1
