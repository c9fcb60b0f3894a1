"""From Ansible's variables to plain values: role defaults under inventory variables, templated, type-checked."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from jinja2 import Environment, TemplateSyntaxError
from jinja2.meta import find_undeclared_variables

from .credentials import SECRET_VARIABLES
from .engine import template_directives
from .limits import range_problems
from .model import GROUPS, NODES, Inventory
from .problem import HIDDEN, Problem, shown
from .specs import UNUSABLE, Option, checked, option_from_spec, unknown_group_problems, unknown_name_problems

# Roles that provision a node: what they require, every node must have.
NODE_ROLES = (
    "preflight",
    "hardware",
    "cluster_network",
    "firewall",
    "time_sync",
    "pki",
    "keydb",
    "observers",
    "healing",
    "monitoring",
)
_CONNECTION = ("ansible_host", "ansible_port", "ansible_connection")


class _EveryName(dict[str, Callable[..., Any]]):
    """Has a filter or test of any name: Ansible's own are not Jinja's, and what they do is of no interest here."""

    def get(self, _name: object, _default: object = None) -> Callable[..., Any]:
        """Return a function, of which nothing but that it is there is looked at."""
        return str


def _parser() -> Environment:
    parser = Environment(autoescape=True)
    parser.filters, parser.tests = _EveryName(), _EveryName()
    return parser


_PARSER = _parser()


@dataclass(frozen=True)
class Roles:
    """What the roles say about their variables.

    Defaults and internals are untemplated, as in their files; ``homes`` has the directory of the role of each default.
    """

    options: Mapping[str, Option]
    required: frozenset[str]
    defaults: Mapping[str, Any]
    homes: Mapping[str, str]
    internals: Mapping[str, Any]
    prefixes: tuple[str, ...]
    owned_directives: frozenset[str]

    @property
    def names(self) -> frozenset[str]:
        """Every variable that a user may set."""
        return frozenset(self.options) | frozenset(self.defaults)


def load_roles(directory: Path, load: Callable[[str], Any]) -> Roles:
    """Read every role's argument specs, defaults and variables; ``load`` reads one YAML file."""

    def content(role: Path, name: str) -> Mapping[str, Any]:
        path = role / name / "main.yml" if name != "argument_specs" else role / "meta" / "argument_specs.yml"
        return (load(str(path)) or {}) if path.is_file() else {}

    options: dict[str, Option] = {}
    required: set[str] = set()
    defaults: dict[str, Any] = {}
    homes: dict[str, str] = {}
    internals: dict[str, Any] = {}
    prefixes = []
    for role in sorted(path for path in directory.iterdir() if path.is_dir()):
        entry_points = content(role, "argument_specs").get("argument_specs", {})
        role_defaults = content(role, "defaults")
        if not entry_points and not role_defaults:
            continue
        prefixes.append(f"{role.name}_")
        for entry in entry_points.values():
            for name, spec in (entry.get("options") or {}).items():
                option = option_from_spec(name, spec, secret=name in SECRET_VARIABLES)
                options.setdefault(name, option)
                if option.required and role.name in NODE_ROLES and name not in role_defaults:
                    required.add(name)
        defaults.update(role_defaults)
        homes.update(dict.fromkeys(role_defaults, str(role)))
        internals.update(content(role, "vars"))
    directives = template_directives(directory / "keydb" / "templates" / "keydb.conf.j2")
    return Roles(options, frozenset(required), defaults, homes, internals, tuple(prefixes), directives)


@cache
def _variables_of(template: str) -> frozenset[str]:
    """Return the variables that a template mentions; none if it is malformed, which templating will report."""
    try:
        return frozenset(find_undeclared_variables(_PARSER.parse(template)))
    except TemplateSyntaxError:
        return frozenset()


def _names_in(value: object) -> Iterator[tuple[str, str]]:
    """Yield (variable, template) for each variable that a raw value's templates mention."""
    if isinstance(value, str) and ("{{" in value or "{%" in value):
        for name in _variables_of(str(value)):
            yield name, value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _names_in(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _names_in(item)


def _reaches(value: object, variables: Mapping[str, Any], wanted: Callable[[str, str], bool]) -> bool:
    """Tell whether a raw value mentions a wanted (variable, template), through other variables too."""
    seen: set[str] = set()
    todo = list(_names_in(value))
    while todo:
        name, template = todo.pop()
        if wanted(name, template):
            return True
        if name not in seen and name in variables and name != "hostvars":
            seen.add(name)
            todo += _names_in(variables[name])
    return False


def needs_facts(value: object, variables: Mapping[str, Any]) -> bool:
    """Tell whether a raw value depends on facts of this or another host, or on what a role sets while it runs."""

    def is_fact(name: str, template: str) -> bool:
        missing = name.startswith(("ansible_", "_")) and name not in variables
        return name == "ansible_facts" or missing or (name == "hostvars" and "ansible_" in template)

    return _reaches(value, variables, is_fact)


def needs_running_role(value: object, variables: Mapping[str, Any]) -> bool:
    """Tell whether a raw value depends on a role's internal name (leading underscore) that is set while it runs."""
    return _reaches(value, variables, lambda name, _: name.startswith("_") and name not in variables)


@dataclass
class HostValues:
    """One host's usable values, what is wrong by itself, and the names that only facts can decide."""

    values: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    deferred: list[str] = field(default_factory=list)


Template = Callable[[Any], Any]


def host_values(
    host: str,
    raw: Mapping[str, Any],
    roles: Roles,
    templating: Callable[[Mapping[str, Any]], Template],
    *,
    facts_known: bool,
) -> HostValues:
    """Template and check one host's variables.

    ``raw`` has the host's untemplated variables and ``groups``, but no role defaults; ``templating`` makes a function
    that templates a value with the given variables.
    """
    is_node = host in raw["groups"].get(NODES, ())
    variables = {**roles.internals, **roles.defaults, **raw}
    template = templating(variables)
    result = HostValues()
    for name in sorted(roles.names | set(_CONNECTION)):
        if name not in variables:
            if is_node and name in roles.required:
                allowed = roles.options[name].allowed
                result.problems.append(Problem(name, host, "nothing", allowed, "is missing"))
            continue
        value = variables[name]
        variables["role_path"] = roles.homes.get(name, "")
        if not facts_known and needs_facts(value, variables):
            result.deferred.append(name)
            continue
        option = roles.options.get(name, Option(type="raw", secret=name in SECRET_VARIABLES))
        try:
            value = template(value)
        except AnsibleError as error:
            # A role's default is for nodes; on another host it may well refer to what that host has not.
            if needs_running_role(value, variables) or not (is_node or name in raw):
                result.deferred.append(name)
                continue
            given, why = (HIDDEN, "") if option.secret else (shown(value), f": {error.message}")
            result.problems.append(Problem(name, host, given, option.allowed, f"cannot be templated{why}"))
            continue
        value, problems = checked(option, value, name, host)
        result.problems += problems
        if value is UNUSABLE:
            continue
        result.values[name] = value
    out_of_range = list(range_problems(result.values, host))
    result.problems += out_of_range
    for problem in out_of_range:
        del result.values[problem.variable]
    return _without_consequences(result, variables, given=frozenset(raw))


def _without_consequences(result: HostValues, variables: Mapping[str, Any], given: frozenset[str]) -> HostValues:
    """Leave out role defaults that are computed from a wrong value: only the cause is worth reporting."""
    wrong = {_root(problem) for problem in result.problems}
    consequences = {
        name
        for name in {*result.values, *wrong} - given
        if name in variables and _reaches(variables[name], variables, lambda used, _: used in wrong)
    }
    result.values = {name: value for name, value in result.values.items() if name not in consequences}
    result.problems = [problem for problem in result.problems if _root(problem) not in consequences]
    return result


def _root(problem: Problem) -> str:
    """Return the variable's name without the path to what is inside it."""
    return re.split(r"[.\[]", problem.variable, maxsplit=1)[0]


def name_problems(raw_of: Mapping[str, Iterable[str]], groups: Iterable[str], roles: Roles) -> Iterator[Problem]:
    """Yield variables and groups whose names nobody knows; ``raw_of`` has each host's variable names."""
    hosts_of: dict[str, list[str]] = defaultdict(list)
    for host, names in raw_of.items():
        for name in names:
            hosts_of[name].append(host)
    yield from unknown_group_problems(groups, GROUPS)
    for problem in unknown_name_problems(hosts_of, roles.names, roles.prefixes, ""):
        for host in hosts_of[problem.variable]:
            yield Problem(problem.variable, host, problem.given, problem.allowed, problem.problem)


def inventory_of(values: Mapping[str, HostValues], groups: Mapping[str, list[str]], roles: Roles) -> Inventory:
    """Return what the rules look at."""
    return Inventory(
        hosts={host: result.values for host, result in values.items()},
        groups=groups,
        owned_directives=roles.owned_directives,
    )
