"""The roles' own argument_specs.yml, applied to values; and names that no role knows."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from ansible.module_utils.common.validation import check_type_bool, check_type_float, check_type_int

from .limits import CHOICES
from .problem import HIDDEN, Problem, one_of, shown

# Names with no role's prefix are the user's own business, unless they are this close to one of ours.
_CLOSE_TO_OURS = 0.92

_TYPE_NAMES = {
    "str": "text",
    "path": "a path",
    "raw": "any value",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "dict": "a mapping",
}


@dataclass(frozen=True)
class Option:
    """One variable, or one key inside a variable, as argument_specs.yml describes it."""

    type: str = "str"
    elements: str | None = None
    choices: tuple[object, ...] = ()
    required: bool = False
    secret: bool = False
    options: Mapping[str, Option] = field(default_factory=dict)

    @property
    def allowed(self) -> str:
        """What may be given, in words."""
        if self.choices and self.type != "list":
            return one_of(self.choices)
        if self.type == "list" and self.elements:
            return f"a list, each item {one_of(self.choices) if self.choices else _TYPE_NAMES[self.elements]}"
        return _TYPE_NAMES[self.type]

    @property
    def item(self) -> Option:
        """The option that each item of a list must meet."""
        return Option(type=self.elements or "raw", choices=self.choices, secret=self.secret, options=self.options)


def option_from_spec(name: str, spec: Mapping[str, Any], *, secret: bool = False) -> Option:
    """Build an option from its YAML; choices that the YAML leaves out come from ``limits``."""
    secret = secret or bool(spec.get("no_log", False))
    return Option(
        type=spec.get("type", "str"),
        elements=spec.get("elements"),
        choices=tuple(spec.get("choices") or CHOICES.get(name, ())),
        required=bool(spec.get("required", False)),
        secret=secret,
        options={
            key: option_from_spec(key, value, secret=secret) for key, value in (spec.get("options") or {}).items()
        },
    )


class _Unusable(Enum):
    """What takes the place of a value that no rule should look at."""

    VALUE = 0


UNUSABLE = _Unusable.VALUE


class _WrongTypeError(Exception):
    """The value cannot be taken as the type that the option names."""


def _as_text(value: object) -> object:
    # YAML reads a bare no, off or yes as a boolean: taking that as text would give "False".
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise _WrongTypeError
    return value if isinstance(value, str) else str(value)


def _as_number(value: object, kind: str) -> float:
    if isinstance(value, bool):
        raise _WrongTypeError
    try:
        number: float = check_type_int(value) if kind == "int" else check_type_float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise _WrongTypeError from error
    if not math.isfinite(number):
        raise _WrongTypeError
    return number


def _as_bool(value: object) -> object:
    try:
        return check_type_bool(value)
    except (TypeError, ValueError) as error:
        raise _WrongTypeError from error


def _converted(value: object, kind: str) -> object:
    if kind in ("str", "path"):
        return _as_text(value)
    if kind in ("int", "float"):
        return _as_number(value, kind)
    if kind == "bool":
        return _as_bool(value)
    # A role loops over these: text that merely could be split or parsed is not one.
    if (kind == "list" and not isinstance(value, list)) or (kind == "dict" and not isinstance(value, Mapping)):
        raise _WrongTypeError
    return value


def checked(option: Option, value: object, name: str, host: str) -> tuple[object, list[Problem]]:
    """Return the value as its option's type, and what is wrong with it, to any depth.

    A value that is wrong as a whole comes back as ``UNUSABLE``; one that is wrong in parts, without the wrong keys.
    """
    given = HIDDEN if option.secret else shown(value)
    if value is None:
        return UNUSABLE, [Problem(name, host, "nothing", option.allowed, "is set but empty")]
    try:
        value = _converted(value, option.type)
    except _WrongTypeError:
        hint = ", in quotes" if isinstance(value, bool) and option.type in ("str", "path") else ""
        return UNUSABLE, [Problem(name, host, given, option.allowed + hint, "has the wrong type")]
    if option.type == "list" and isinstance(value, list):
        return _checked_list(option, value, name, host)
    if option.choices and value not in option.choices:
        return UNUSABLE, [Problem(name, host, given, option.allowed, "is not one of the choices")]
    if option.type == "dict" and option.options and isinstance(value, Mapping):
        return _checked_dict(option, value, name, host)
    return value, []


def _checked_list(option: Option, value: list[object], name: str, host: str) -> tuple[object, list[Problem]]:
    if option.elements is None:
        return value, []
    results = [checked(option.item, item, f"{name}[{index}]", host) for index, item in enumerate(value)]
    # A wrong item keeps its place, so that what other rules say about the rest counts right.
    items = [given if item is UNUSABLE else item for given, (item, _) in zip(value, results, strict=True)]
    return items, [problem for _, problems in results for problem in problems]


def _checked_dict(option: Option, value: Mapping[str, object], name: str, host: str) -> tuple[object, list[Problem]]:
    problems = []
    result = {}
    for key, item in value.items():
        if key not in option.options:
            known = one_of(option.options)
            problems.append(Problem(f"{name}.{key}", host, str(key), known, "is not a known key"))
            continue
        usable, found = checked(option.options[key], item, f"{name}.{key}", host)
        problems += found
        if usable is not UNUSABLE:
            result[key] = usable
    for key, inner in option.options.items():
        if inner.required and key not in value:
            problems.append(Problem(f"{name}.{key}", host, "nothing", inner.allowed, "is missing"))
    return result, problems


def unknown_name_problems(
    names: Iterable[str], known: Iterable[str], prefixes: tuple[str, ...], host: str
) -> Iterator[Problem]:
    """Yield each variable of a host that looks like one of ours but is none; its value is never shown."""
    known = sorted(known)
    for name in sorted(names):
        if name in known or name.startswith(("_", "ansible_")):
            continue
        cutoff = 0.6 if name.startswith(prefixes) else _CLOSE_TO_OURS
        near = difflib.get_close_matches(name, known, n=1, cutoff=cutoff)
        if near:
            yield Problem(name, host, name, f"did you mean {near[0]}?", "is not a variable of any role")
        elif name.startswith(prefixes):
            ours = next(prefix for prefix in prefixes if name.startswith(prefix))
            allowed = f"the variables in roles/{ours.rstrip('_')}/defaults/main.yml"
            yield Problem(name, host, name, allowed, "is not a variable of any role")


def unknown_group_problems(groups: Iterable[str], known: Iterable[str]) -> Iterator[Problem]:
    """Yield each group whose name is nearly one of ours: its hosts would silently be left out."""
    known = list(known)
    for group in sorted(set(groups) - set(known)):
        near = difflib.get_close_matches(group, known, n=1, cutoff=_CLOSE_TO_OURS)
        if near:
            yield Problem(group, "all", group, f"did you mean {near[0]}?", "is not a group that the playbooks use")
