"""A role's defaults and its argument specification say the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.parameters import DEFAULT_TYPE_VALIDATORS

ROLES = sorted(path for path in (Path(__file__).resolve().parents[2] / "roles").iterdir() if path.is_dir())
TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "path": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "list": (list,),
    "dict": (dict,),
    "raw": (object,),
}


def _yaml(path: Path) -> dict[str, Any]:
    return (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.is_file() else {}


def _defaults(role: Path) -> dict[str, Any]:
    return _yaml(role / "defaults" / "main.yml")


def _options(role: Path) -> dict[str, dict[str, Any]]:
    """All options of a role, whichever of its entry points takes them."""
    entry_points = _yaml(role / "meta" / "argument_specs.yml").get("argument_specs", {})
    return {name: spec for entry in entry_points.values() for name, spec in (entry.get("options") or {}).items()}


def _is_template(value: object) -> bool:
    return isinstance(value, str) and "{{" in value


def _option_disagreements(spec: dict[str, Any], default: object) -> list[str]:
    """Say how a default that is no template differs from its option."""
    kind = spec.get("type", "str")
    if _is_template(default):
        return []
    if not isinstance(default, TYPES[kind]) or (kind in ("int", "float") and isinstance(default, bool)):
        return [f"{default!r} is no {kind}"]
    values = default if isinstance(default, list) else [default]
    choices = spec.get("choices") or values
    found = [f"{value!r} is none of {choices}" for value in values if value not in choices]
    if isinstance(default, list):
        elements = TYPES[spec.get("elements", "raw")]
        found += [
            f"{item!r} in it is no {spec['elements']}"
            for item in default
            if not _is_template(item) and not isinstance(item, elements)
        ]
    if spec.get("options"):
        for item in values:
            found += _keys_disagreements(spec["options"], item) if isinstance(item, dict) else []
    return found


def _keys_disagreements(options: dict[str, dict[str, Any]], item: dict[str, object]) -> list[str]:
    found = [f"{key} is not described" for key in item if key not in options]
    for key in item.keys() & options.keys():
        found += [f"{key}: {each}" for each in _option_disagreements(options[key], item[key])]
    return found


def _descriptions_missing(options: dict[str, dict[str, Any]]) -> list[str]:
    found = []
    for name, spec in options.items():
        if not spec.get("description"):
            found.append(name)
        found += [f"{name}.{inner}" for inner in _descriptions_missing(spec.get("options") or {})]
    return found


def test_there_are_roles() -> None:
    assert {"firewall", "keydb", "observers", "pki", "preflight"} <= {role.name for role in ROLES}


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_role_has_a_specification(role: Path) -> None:
    assert "main" in _yaml(role / "meta" / "argument_specs.yml").get("argument_specs", {})


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_same_names(role: Path) -> None:
    """Each default is described, and each described option has a default or must be given."""
    defaults, options = _defaults(role), _options(role)
    assert set(defaults) - set(options) == set()
    own = {name for name, spec in options.items() if not spec.get("required") and "default" not in spec}
    assert own - set(defaults) == set()
    assert {name for name, spec in options.items() if spec.get("required")} & set(defaults) == set()


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_types_and_choices_agree(role: Path) -> None:
    options = _options(role)
    found = {name: _option_disagreements(options.get(name, {}), default) for name, default in _defaults(role).items()}
    assert {name: each for name, each in found.items() if each} == {}


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_a_default_that_is_said_twice_is_the_same(role: Path) -> None:
    said = {name: spec["default"] for name, spec in _options(role).items() if "default" in spec}
    assert said == {name: value for name, value in _defaults(role).items() if name in said}


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_option_is_described(role: Path) -> None:
    assert _descriptions_missing(_options(role)) == []


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_types_are_known_and_lists_say_of_what(role: Path) -> None:
    for name, spec in _options(role).items():
        assert spec.get("type", "str") in DEFAULT_TYPE_VALIDATORS, name
        assert spec.get("type", "str") in TYPES, name
        if spec.get("type") == "list":
            assert spec.get("elements"), name


@pytest.mark.parametrize(
    ("spec", "default", "said"),
    [
        ({"type": "int"}, "5", "is no int"),
        ({"type": "int"}, True, "is no int"),
        ({"type": "str", "choices": ["a"]}, "b", "is none of"),
        ({"type": "list", "elements": "str"}, [1], "in it is no str"),
        ({"type": "list", "elements": "dict", "options": {"a": {"type": "int"}}}, [{"a": "x"}], "a: 'x' is no int"),
        ({"type": "dict", "options": {"a": {}}}, {"b": 1}, "b is not described"),
    ],
)
def test_the_comparison_finds_differences(spec: dict[str, Any], default: object, said: str) -> None:
    assert any(said in each for each in _option_disagreements(spec, default))


def test_the_comparison_accepts_what_agrees() -> None:
    assert _option_disagreements({"type": "float"}, 10) == []
    assert _option_disagreements({"type": "int"}, "{{ ansible_facts.memtotal_mb }}") == []
