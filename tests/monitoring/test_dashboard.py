"""The dashboard asks for nothing that nobody serves."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from monitoring_alerts import names_in, promtool
from monitoring_render import ROLE

DASHBOARD = json.loads((ROLE / "files" / "keydb-dashboard.json").read_text("utf-8"))


def expressions() -> list[str]:
    found = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    assert len(found) >= len(DASHBOARD["panels"])
    return found


def test_panels_are_placed_side_by_side_and_have_a_title() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert panel["title"]
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_it_goes_with_any_data_source() -> None:
    sources = {json.dumps(panel["datasource"], sort_keys=True) for panel in DASHBOARD["panels"]}
    assert sources == {'{"type": "prometheus", "uid": "${datasource}"}'}
    assert {each["name"] for each in DASHBOARD["templating"]["list"]} == {"datasource", "node"}


def test_prometheus_understands_every_expression(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{index}", "expr": each} for index, each in enumerate(expressions())]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}), "utf-8")
    promtool("check", "rules", str(tmp_path / "rules.yml"))


def recorded(rules: Path) -> set[str]:
    groups: list[dict[str, Any]] = yaml.safe_load(rules.read_text("utf-8"))["groups"]
    return {rule["record"] for group in groups for rule in group["rules"] if "record" in rule}


@pytest.mark.parametrize("expression", expressions())
def test_what_is_recorded_is_recorded(rules: Path, expression: str) -> None:
    assert {name for name in names_in(expression) if re.match("keydb:", name)} <= recorded(rules)
