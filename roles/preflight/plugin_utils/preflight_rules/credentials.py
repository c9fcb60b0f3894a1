"""Passwords, the CA, and the directory that holds both on the controller. No rule here shows a secret."""

from __future__ import annotations

import re
import stat
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from .model import Inventory
from .problem import ALL_HOSTS, HIDDEN, Problem, shown

SECRET_VARIABLES = frozenset({"keydb_passwords", "pki_ca_private_key"})
_SHORTEST, _LONGEST = 16, 512
# Visible ASCII but quotes and backslash, which end or change a word in keydb.conf and users.acl. A leading # or > or <
# is how an ACL line tells a hash, a new and a removed password apart.
_PASSWORD = re.compile(r"(?![#<>])[!#-&(-\[\]-~]+")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
# Certificates are for everybody.
_PUBLIC = ".crt"


def password_problems(inventory: Inventory) -> Iterator[Problem]:
    """Each password is long, and one that a configuration line can hold."""
    for host, passwords in inventory.values("keydb_passwords"):
        for user, password in passwords.items():
            name = f"keydb_passwords.{user}"
            if not _SHORTEST <= len(password) <= _LONGEST:
                given = f"{len(password)} characters"
                yield Problem(name, host, given, f"{_SHORTEST} to {_LONGEST} characters", "has the wrong length")
            elif not _PASSWORD.fullmatch(password):
                allowed = "visible ASCII without spaces, quotes and \\, not starting with #, < or >"
                yield Problem(name, host, HIDDEN, allowed, "has a character that a configuration line cannot hold")


def shared_password_problems(inventory: Inventory) -> Iterator[Problem]:
    """No two users have one password: it would give each the other's rights."""
    for host, passwords in inventory.values("keydb_passwords"):
        users_of = defaultdict(list)
        for user, password in passwords.items():
            users_of[str(password)].append(str(user))
        for users in users_of.values():
            if len(users) > 1:
                given = f"one password for {', '.join(users)}"
                yield Problem("keydb_passwords", host, given, "a password of its own per user", "is used twice")


def password_agreement_problems(inventory: Inventory) -> Iterator[Problem]:
    """A user has one password on all nodes: nodes and observers log in to each other."""
    for user in sorted({user for _, passwords in inventory.values("keydb_passwords") for user in passwords}):
        hosts_of = defaultdict(list)
        for host, passwords in inventory.values("keydb_passwords"):
            hosts_of[passwords.get(user)].append(host)
        if len(hosts_of) > 1:
            given = "different ones for " + " and ".join(", ".join(hosts) for hosts in hosts_of.values())
            name = f"keydb_passwords.{user}"
            yield Problem(name, ALL_HOSTS, given, "one password for all nodes", "differs between nodes")


def certificate_days_problems(inventory: Inventory) -> Iterator[Problem]:
    """A certificate lives longer than its renewal window and not longer than its CA."""
    for host, days in inventory.values("pki_certificate_days"):
        ca_days = inventory.get(host, "pki_ca_days")
        renew = inventory.get(host, "pki_renew_before_days")
        if ca_days is not None and days > ca_days:
            allowed = f"at most pki_ca_days, {ca_days}"
            yield Problem("pki_certificate_days", host, shown(days), allowed, "outlives the CA")
        if renew is not None and renew >= days:
            allowed = f"less than pki_certificate_days, {days}"
            yield Problem("pki_renew_before_days", host, shown(renew), allowed, "would renew on every run")


def ca_pair_problems(inventory: Inventory) -> Iterator[Problem]:
    """A given CA has key and certificate, both PEM."""
    key_name, certificate_name = "pki_ca_private_key", "pki_ca_certificate"
    for host in inventory.nodes:
        key, certificate = (str(inventory.get(host, name, "")) for name in (key_name, certificate_name))
        if bool(key) != bool(certificate):
            missing, other = (certificate_name, key_name) if key else (key_name, certificate_name)
            yield Problem(missing, host, "nothing", f"PEM text, or no {other} either", f"is missing beside {other}")
        for name, text, kind in ((key_name, key, "PRIVATE KEY"), (certificate_name, certificate, "CERTIFICATE")):
            if text and not re.match(rf"\s*-----BEGIN [A-Z ]*{kind}-----", text):
                yield Problem(name, host, HIDDEN, f"PEM text with BEGIN … {kind}", "is not PEM")


def secrets_dir_problems(inventory: Inventory) -> Iterator[Problem]:
    """No secret that is on the controller already can be read by others, or be replaced by them.

    A directory that others may list is no leak, and is what a first run leaves if it is interrupted early.
    """
    directories = {str(value) for _, value in inventory.values("pki_secrets_dir")}
    for directory in sorted(directories):
        path = Path(directory).expanduser()
        if path.exists() and not path.is_dir():
            yield Problem("pki_secrets_dir", ALL_HOSTS, str(path), "a directory", "is not a directory")
            continue
        for found in (path, *sorted(path.rglob("*"))) if path.is_dir() else ():
            mode = stat.S_IMODE(found.stat().st_mode)
            given = f"{found} has mode {mode:04o}"
            if found.is_dir() and mode & stat.S_IWOTH:
                yield Problem("pki_secrets_dir", ALL_HOSTS, given, "0700", "can be changed by others")
            elif found.is_file() and found.suffix != _PUBLIC and mode & _OTHERS:
                yield Problem("pki_secrets_dir", ALL_HOSTS, given, "0600", "can be read by others")


RULES = (
    password_problems,
    shared_password_problems,
    password_agreement_problems,
    certificate_days_problems,
    ca_pair_problems,
    secrets_dir_problems,
)
