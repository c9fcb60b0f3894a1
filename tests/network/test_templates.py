"""What the one file of each manager says: a static address, nothing that leads elsewhere."""

from __future__ import annotations

import configparser
import uuid
from pathlib import Path

import pytest
import yaml
from cluster_network_managers import FILES, configured
from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).resolve().parents[2] / "roles" / "cluster_network" / "templates"
VARIABLES = {
    "ansible_managed": "Ansible managed",
    "cluster_network_interface": "eth1",
    "_cluster_network_address": "10.77.0.11/24",
    "cluster_network_mtu": 9000,
}


def rendered(name: str) -> str:
    environment = Environment(  # noqa: S701 - no HTML
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True
    )
    environment.filters["ansible.builtin.to_uuid"] = lambda text: str(uuid.uuid5(uuid.NAMESPACE_DNS, text))
    return environment.get_template(name).render(VARIABLES)


def parsed(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[method-assign, assignment]
    parser.read_string(rendered(name))
    return parser


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.j2")), ids=lambda path: path.name)
def test_every_file_says_whose_it_is_and_what_it_configures(path: Path) -> None:
    text = rendered(path.name)
    assert configured(text) == ("eth1", "10.77.0.11/24")
    assert text.startswith("# Ansible managed\n")
    assert "gateway" not in text
    assert "dns" not in text.lower().replace("multicastdns=no", "")


def test_there_is_a_template_for_every_manager() -> None:
    assert len(list(TEMPLATES.glob("*.j2"))) == len(FILES)


def test_networkmanager() -> None:
    file = parsed("keydb-cluster.nmconnection.j2")
    assert file["connection"]["interface-name"] == "eth1"
    assert file["ethernet"]["mtu"] == "9000"
    assert dict(file["ipv4"]) == {"method": "manual", "address1": "10.77.0.11/24", "never-default": "true"}
    assert dict(file["ipv6"]) == {"method": "link-local", "never-default": "true"}
    assert uuid.UUID(file["connection"]["uuid"])


def test_networkd() -> None:
    file = parsed("keydb-cluster.network.j2")
    assert file["Match"]["Name"] == "eth1"
    assert file["Link"]["MTUBytes"] == "9000"
    network = file["Network"]
    assert (network["Address"], network["DHCP"], network["LinkLocalAddressing"]) == ("10.77.0.11/24", "no", "ipv6")
    assert network["IPv6AcceptRA"] == "no"


def test_netplan() -> None:
    ethernets = yaml.safe_load(rendered("keydb-cluster.yaml.j2"))["network"]["ethernets"]
    assert ethernets == {
        "eth1": {
            "addresses": ["10.77.0.11/24"],
            "mtu": 9000,
            "dhcp4": False,
            "dhcp6": False,
            "accept-ra": False,
            "link-local": ["ipv6"],
            "optional": True,
        }
    }


def test_ifupdown() -> None:
    lines = [line.strip() for line in rendered("keydb-cluster.interfaces.j2").splitlines()]
    assert lines[2:6] == ["auto eth1", "iface eth1 inet static", "address 10.77.0.11/24", "mtu 9000"]
