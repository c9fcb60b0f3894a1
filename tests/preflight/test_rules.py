"""Parts that the cases over whole inventories do not tell apart, and the tables that must follow the roles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from preflight_rules.engine import OWNED_DIRECTIVES, template_directives
from preflight_rules.limits import CHOICES, RANGES, Range
from preflight_rules.network import MUST_AGREE
from preflight_rules.problem import Problem, merged_hosts, one_of, rendered, shown
from preflight_rules.resolve import load_roles, needs_facts, needs_running_role
from preflight_rules.specs import UNUSABLE, Option, checked, option_from_spec

ROLES_DIRECTORY = Path(__file__).resolve().parents[2] / "roles"


def _load(path: str) -> Any:
    return yaml.safe_load(Path(path).read_text(encoding="utf-8"))


ROLES = load_roles(ROLES_DIRECTORY, _load)


@pytest.mark.parametrize("name", [*RANGES, *CHOICES, *MUST_AGREE])
def test_every_limit_is_of_a_variable_that_exists(name: str) -> None:
    assert name in ROLES.options


@pytest.mark.parametrize("name", RANGES)
def test_a_range_is_of_a_number(name: str) -> None:
    assert ROLES.options[name].type in ("int", "float")


@pytest.mark.parametrize("name", CHOICES)
def test_choices_are_those_of_the_roles(name: str) -> None:
    assert set(ROLES.options[name].choices) == set(CHOICES[name])


def test_every_role_of_a_node_was_read() -> None:
    assert {"preflight_", "hardware_", "firewall_", "pki_", "keydb_", "observers_"} <= set(ROLES.prefixes)
    assert {"cluster_network_address", "cluster_network_cidr"} <= ROLES.required


def test_directives_come_from_the_template_too() -> None:
    """The template's own directives are read, and the table knows those that are somewhere else or in a loop."""
    directives = template_directives(ROLES_DIRECTORY / "keydb" / "templates" / "keydb.conf.j2")
    assert {"tls-port", "aclfile", "appendonly", "tls-prefer-server-ciphers"} <= directives
    assert {"masterauth", "requirepass", "user"} <= set(OWNED_DIRECTIVES) - directives
    assert template_directives(ROLES_DIRECTORY / "no-such-file") == frozenset()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, False),
        ("plain", False),
        ("{{ other }}", False),
        ("{{ ansible_facts.memtotal_mb }}", True),
        ("{{ ansible_memtotal_mb | default(0) }}", True),
        ("{{ through }}", True),
        ("{{ through | human_to_bytes }}", True),
        ("{{ other | human_to_bytes is truthy }}", False),
        ({"deep": ["{{ through }}"]}, True),
        ("{{ hostvars['pi2'].cluster_network_address }}", False),
        ("{{ hostvars['pi2'].ansible_facts.hostname }}", True),
        ("{{ _internal }}", True),
        ("{{ ansible_host }}", False),
        ("{{ loop_a }}", False),
        ("{{ malformed", False),
    ],
)
def test_what_waits_for_facts(value: object, expected: bool) -> None:
    variables = {
        "other": 1,
        "through": "{{ further }}",
        "further": "{% if ansible_facts.x %}1{% endif %}",
        "ansible_host": "192.0.2.1",
        "loop_a": "{{ loop_b }}",
        "loop_b": "{{ loop_a }}",
    }
    assert needs_facts(value, variables) is expected


def test_what_waits_for_a_role() -> None:
    assert needs_running_role("{{ _internal }}", {})
    assert not needs_running_role("{{ _internal }}", {"_internal": 1})
    assert not needs_running_role("{{ ansible_facts.x }}", {})


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("int", "6379", 6379),
        ("int", True, UNUSABLE),
        ("int", 1.5, UNUSABLE),
        ("float", "0.5", 0.5),
        ("float", "inf", UNUSABLE),
        ("bool", "yes", True),
        ("bool", "maybe", UNUSABLE),
        ("str", 6, "6"),
        ("str", False, UNUSABLE),
        ("str", ["a"], UNUSABLE),
        ("list", "a,b", UNUSABLE),
        ("dict", "a=b", UNUSABLE),
        ("raw", {1: 2}, {1: 2}),
        ("str", None, UNUSABLE),
    ],
)
def test_types(kind: str, value: object, expected: object) -> None:
    result, problems = checked(Option(type=kind), value, "name", "host")
    assert result == expected
    assert bool(problems) is (expected is UNUSABLE)


def test_nested_options_name_the_path() -> None:
    spec = {
        "type": "dict",
        "options": {"port": {"type": "int", "required": True}, "usages": {"type": "list", "elements": "int"}},
    }
    value, problems = checked(option_from_spec("x", spec), {"usages": [1, "two"], "prot": 1}, "x", "pi1")
    assert [(problem.variable, problem.given) for problem in problems] == [
        ("x.usages[1]", '"two"'),
        ("x.prot", "prot"),
        ("x.port", "nothing"),
    ]
    assert value == {"usages": [1, "two"]}


def test_nothing_inside_a_secret_is_shown() -> None:
    option = option_from_spec("x", {"type": "dict", "options": {"a": {"type": "int"}}}, secret=True)
    _, (problem,) = checked(option, {"a": "hunter2"}, "x", "pi1")
    assert "hunter2" not in problem.given


def test_ranges_say_and_keep_their_bounds() -> None:
    assert 1 in Range(1, 2)
    assert 2 in Range(1, 2)
    assert 0.99 not in Range(1, 2)
    assert 2.01 not in Range(1, 2)
    assert str(Range(64, None, "MB")) == "64 or more MB"
    assert str(Range(1, 65535)) == "1 to 65535"


def test_problems_of_every_host_are_one() -> None:
    def problem(host: str, given: str = "1") -> Problem:
        return Problem("x", host, given, "2", "is wrong")

    nodes = ["a", "b", "c"]
    assert [found.host for found in merged_hosts(map(problem, nodes), nodes)] == ["all"]
    assert [found.host for found in merged_hosts(map(problem, "ca"), nodes)] == ["c, a"]
    assert [found.host for found in merged_hosts([problem("a"), problem("b", "3")], nodes)] == ["a", "b"]
    assert [found.host for found in merged_hosts([problem("a")], ["a"])] == ["a"]


def test_what_is_shown_is_short_and_tells_text_from_numbers() -> None:
    assert (shown(6379), shown("6379"), shown(None)) == ("6379", '"6379"', "null")
    assert shown("x" * 1000).endswith("…")
    assert one_of(["a", "b", "c"]) == "a, b or c"
    assert one_of(["a"]) == "a"
    assert rendered([Problem("x", "all", "1", "2", "is wrong")], "in x").startswith("1 problem in x.")
