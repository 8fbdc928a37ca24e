"""The shop's plans: each is a plan that Hemostat takes, and none can do more than operate the shop."""

from __future__ import annotations

from pathlib import Path

import pytest

from hemostat.plans.rules import plan as rules
from hemostat_lab.layout import Layout, Role, Telemetry, shuffled_names
from hemostat_lab.operate import OPERATIONS
from hemostat_lab.seed import PLANS, SECRET, plan_text

FILES = sorted(PLANS.glob("*.toml"))


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout.open(tmp_path, names=shuffled_names(3), telemetry=Telemetry())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_plan_is_taken_whatever_the_services_are_called(file: Path, layout: Layout) -> None:
    plan = rules.load(plan_text(file, layout), file_name=file.name)
    assert rules.needed(plan.steps)[1] == {SECRET}
    assert plan.verification.window_s == 20


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_plan_knows_a_way_to_the_faults(file: Path, layout: Layout) -> None:
    text = plan_text(file, layout)
    private = [str(layout.folder), "release.sock", "deploy", "injector", "hemostat_lab.guide", "fault"]
    assert not [word for word in private if word in text]
    names = [*layout.names.values(), *layout.instances(Role.PAYMENT)]
    allowed = {template.format(name) for template in OPERATIONS.values() for name in names}
    plan = rules.load(text, file_name=file.name)
    for step in plan.steps:
        if isinstance(step, rules.HttpStep) and step.method != "GET":
            assert step.url.removeprefix("http://{platform}") in allowed
        if isinstance(step, rules.CommandStep):
            assert step.argv[1:3] == ("-m", "hemostat_lab.operate")
            assert step.argv[3] in OPERATIONS
            assert set(step.env) == {"SHOP_PLATFORM", "SHOP_TOKEN"}
            assert set(step.pass_env) <= {"PYTHONPATH"}


def test_each_fault_has_a_remedy_and_a_plausible_wrong_plan(layout: Layout) -> None:
    plans = [rules.load(plan_text(file, layout), file_name=file.name) for file in FILES]
    for role, kind in ((Role.STORE, "dependency"), (Role.PAYMENT, "internal")):
        app_ids, kinds = {layout.names[role], "*"}, {kind, "*"}
        fitting = [
            plan.slug
            for plan in plans
            if any(a.app_id in app_ids and a.exception_class in kinds for a in plan.comes_up_for)
        ]
        assert len(fitting) >= 2, role
