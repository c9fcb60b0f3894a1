"""Where the values of the options come from.

Each option may be given on the command line, as an environment variable or in a TOML file; the earlier of these wins.
A value is checked in the same way wherever it came from, and a wrong one is reported with the place that it came from.
"""

from __future__ import annotations

import socket
import ssl
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keydb_observer.audit_options import AUDIT_OPTIONS
from keydb_observer.audit_settings import AuditSettings
from keydb_observer.heal_settings import HealSettings
from keydb_observer.inbox import is_pattern
from keydb_observer.load_options import LOAD_OPTIONS
from keydb_observer.load_settings import LoadSettings
from keydb_observer.messages import NAME_ALLOWED, NAME_PATTERN
from keydb_observer.nodes import Node
from keydb_observer.options import DEFAULT_NODE, ENVIRONMENT_PREFIX, OPTIONS, Option, RefusedError
from keydb_observer.settings import Credentials, Settings, Tls
from keydb_observer.storm_options import STORM_OPTIONS
from keydb_observer.storm_settings import StormSettings
from keydb_observer.top_settings import LEAST_INTERVAL_S, TopSettings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CONFIG_VARIABLE = f"{ENVIRONMENT_PREFIX}CONFIG"
STORM_TIMEOUT_S = 1.5

ALL_OPTIONS = (*OPTIONS, *LOAD_OPTIONS, *AUDIT_OPTIONS, *STORM_OPTIONS)

_BY_NAME = {option.name: option for option in ALL_OPTIONS}


class WrongOptionError(ValueError):
    """An option is wrong or missing. The text is one line: where it was given, what was given, what is allowed."""


@dataclass(frozen=True)
class _Given:
    """A value as it was found, and the place where, in words."""

    value: object
    place: str


def resolve(command: str, arguments: Mapping[str, object], environment: Mapping[str, str]) -> Settings:
    """Puts together what ``command`` was told.

    ``arguments`` holds the options given on the command line under their names, and ``config`` for the file.
    Raises WrongOptionError.
    """
    return _settings(command, *_values(arguments, environment))


def resolve_load(arguments: Mapping[str, object], environment: Mapping[str, str]) -> tuple[Settings, LoadSettings]:
    """The same for ``load``, with its own options beside the common ones."""
    values, given = _values(arguments, environment)
    return _settings("load", values, given), LoadSettings.from_values(values)


def resolve_audit(arguments: Mapping[str, object], environment: Mapping[str, str]) -> tuple[Settings, AuditSettings]:
    """The same for ``audit``. One node has nothing to be compared with."""
    values, given = _values(arguments, environment)
    settings = _settings("audit", values, given)
    _check_nodes(settings, given)
    audit = AuditSettings.from_values(values)
    if audit.repair and audit.undo:
        raise WrongOptionError(f"{given['undo'].place}: given with --repair; allowed: one of the two")
    if audit.repair and not audit.dry_run and audit.undo_file is None:
        raise WrongOptionError("--undo-file: not given; allowed: with --repair, a file that is not there yet")
    for name, other, is_there in (
        ("dry-run", "repair", audit.repair),
        ("undo-file", "repair", audit.repair),
        ("undo-as", "undo", audit.undo is not None),
    ):
        if values.get(name) and not is_there:
            raise WrongOptionError(f"{given[name].place}: given without --{other}; allowed: with --{other}")
    return settings, audit


def resolve_heal(
    arguments: Mapping[str, object], environment: Mapping[str, str]
) -> tuple[Settings, AuditSettings, HealSettings]:
    """The same for ``heal``, which audits too."""
    values, given = _values(arguments, environment)
    settings = _settings("heal", values, given)
    _check_nodes(settings, given)
    if "state" not in values:
        raise WrongOptionError("--state: not given; allowed: a directory that can be written to")
    return settings, AuditSettings.from_values(values), HealSettings.from_values(values)


def _check_nodes(settings: Settings, given: Mapping[str, _Given]) -> None:
    if len(settings.nodes) == 1:
        place = given["node"].place if "node" in given else "--node"
        raise WrongOptionError(f"{place}: {settings.read_node} given; allowed: two nodes or more, to compare them")


def resolve_states(arguments: Mapping[str, object], environment: Mapping[str, str]) -> tuple[Settings, AuditSettings]:
    """The same for ``states``, which is told what ``audit`` is told."""
    values, given = _values(arguments, environment)
    return _settings("states", values, given), AuditSettings.from_values(values)


def resolve_storm(arguments: Mapping[str, object], environment: Mapping[str, str]) -> tuple[Settings, StormSettings]:
    """The same for ``storm``, which is to know soon that a node is frozen."""
    values, given = _values(arguments, environment)
    if "history" not in values:
        raise WrongOptionError(f"--history: not given; allowed: {_BY_NAME['history'].allowed}")
    values.setdefault("timeout", STORM_TIMEOUT_S)
    return _settings("storm", values, given), StormSettings.from_values(values)


def resolve_top(arguments: Mapping[str, object], environment: Mapping[str, str]) -> tuple[Settings, TopSettings]:
    """The same for ``top``. An interval in a file or in the environment is the writer's."""
    values, given = _values(arguments, environment)
    settings = _settings("top", values, given)
    if "interval" not in arguments:
        values.pop("interval", None)
    elif values["interval"] < LEAST_INTERVAL_S:
        raise WrongOptionError(
            f"--interval: {arguments['interval']} given: it is out of range; allowed: for top, "
            f"a number of seconds from {LEAST_INTERVAL_S} to 86400"
        )
    return settings, TopSettings.from_values(values)


def _values(
    arguments: Mapping[str, object], environment: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, _Given]]:
    given = _collect(arguments, environment)
    return {name: _parse(_BY_NAME[name], found) for name, found in given.items()}, given


def _settings(command: str, values: Mapping[str, Any], given: Mapping[str, _Given]) -> Settings:
    if command == "listen" and "mode" not in values:
        raise WrongOptionError("--mode: not given; allowed: sync or async")
    nodes: tuple[Node, ...] = values.get("node") or (Node.parse(DEFAULT_NODE),)
    return Settings(
        nodes=nodes,
        write_node=values.get("write-node"),
        name=values.get("name") or _host_name(),
        keys=_keys(command, values, given),
        timeout=values.get("timeout", 3.0),
        interval=values.get("interval", 10.0),
        mode=values.get("mode"),
        lines_up_to=values.get("lines-up-to", 10.0),
        metrics=values.get("metrics"),
        as_json=values.get("json", False),
        credentials=_credentials(values, given),
        tls=_tls(values, given),
    )


def _collect(arguments: Mapping[str, object], environment: Mapping[str, str]) -> dict[str, _Given]:
    config = _Given(arguments["config"], "--config") if "config" in arguments else None
    if config is None and environment.get(CONFIG_VARIABLE):
        config = _Given(environment[CONFIG_VARIABLE], CONFIG_VARIABLE)
    given = _read_config(config) if config else {}
    for name in arguments:
        if name != "config" and name not in _BY_NAME:
            raise WrongOptionError(f"--{name}: no such option; allowed: {', '.join(_BY_NAME)}")
    for option in ALL_OPTIONS:
        # An empty variable is how a unit or a shell takes one back.
        if environment.get(option.variable):
            given[option.name] = _Given(environment[option.variable], option.variable)
        if option.name in arguments:
            given[option.name] = _Given(arguments[option.name], option.flag)
    return given


def _read_config(config: _Given) -> dict[str, _Given]:
    path = Path(str(config.value))
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WrongOptionError(
            f"{config.place}: {path} given: {error.strerror}; allowed: a readable TOML file"
        ) from None
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise WrongOptionError(f"{config.place}: {path} given: {reason}; allowed: a TOML file") from None
    given = {}
    for key, value in content.items():
        name = key.replace("_", "-")
        if name not in _BY_NAME or name in given:
            reason = "is given twice" if name in given else "is no option"
            raise WrongOptionError(f"{key} in {path}: it {reason}; allowed: {', '.join(_BY_NAME)}, each once")
        given[name] = _Given(value, f"{key} in {path}")
    return given


def _parse(option: Option, given: _Given) -> Any:
    try:
        return option.parse(given.value)
    except RefusedError as refused:
        reason = f": {refused}" if str(refused) else ""
        raise WrongOptionError(
            f"{given.place}: {_shown(given.value)} given{reason}; allowed: {option.allowed}"
        ) from None


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(_shown(item) for item in value) or "nothing"
    return repr(value) if value == "" or not str(value).isprintable() else str(value)


def _host_name() -> str:
    name = socket.gethostname()
    if not NAME_PATTERN.fullmatch(name):
        raise WrongOptionError(f"--name: not given, and this host's name {name!r} will not do; allowed: {NAME_ALLOWED}")
    return name


def _keys(command: str, values: Mapping[str, Any], given: Mapping[str, _Given]) -> tuple[str, ...]:
    keys: tuple[str, ...] = values.get("key", ("shared_key",))
    if command == "write" and (len(keys) > 1 or is_pattern(keys[0])):
        raise WrongOptionError(
            f"{given['key'].place}: {', '.join(keys)} given; allowed: for write, one key, no pattern"
        )
    return keys


def _credentials(values: Mapping[str, Any], given: Mapping[str, _Given]) -> Credentials | None:
    if "password-file" in values:
        return Credentials(values.get("username"), values["password-file"])
    if "username" in values:
        raise WrongOptionError(f"{given['username'].place}: given without --password-file; allowed: both together")
    return None


def _tls(values: Mapping[str, Any], given: Mapping[str, _Given]) -> Tls | None:
    files = [name for name in ("tls-ca", "tls-cert", "tls-key") if name in values]
    if not values.get("tls"):
        # Whoever names certificates wants TLS. Going on in plain text needs an explicit no.
        if files and "tls" not in values:
            raise WrongOptionError(
                f"{given[files[0]].place}: given without --tls; allowed: with --tls, or with --no-tls"
            )
        return None
    if ("tls-cert" in values) != ("tls-key" in values):
        there, missing = ("tls-cert", "tls-key") if "tls-cert" in values else ("tls-key", "tls-cert")
        raise WrongOptionError(f"{given[there].place}: given without --{missing}; allowed: both together")
    tls = Tls(values.get("tls-ca"), values.get("tls-cert"), values.get("tls-key"))
    _check_certificates(tls, given)
    return tls


def _check_certificates(tls: Tls, given: Mapping[str, _Given]) -> None:
    """A file that is no certificate is a wrong option, not a trouble that time may mend."""
    context = ssl.create_default_context()
    try:
        if tls.ca:
            context.load_verify_locations(cafile=tls.ca)
    except (ssl.SSLError, OSError):
        raise _wrong_file(given["tls-ca"], "tls-ca", "no certificate in it") from None
    try:
        if tls.certificate and tls.key:
            # A password is never asked for: there is nobody to type it.
            context.load_cert_chain(tls.certificate, tls.key, password=lambda: b"")
    except (ssl.SSLError, OSError) as error:
        is_mismatch = isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH"
        reason = "it is not the key of --tls-cert" if is_mismatch else "no such key, or no certificate in --tls-cert"
        raise _wrong_file(given["tls-key"], "tls-key", reason) from None


def _wrong_file(given: _Given, name: str, reason: str) -> WrongOptionError:
    return WrongOptionError(f"{given.place}: {given.value} given: {reason}; allowed: {_BY_NAME[name].allowed}")
