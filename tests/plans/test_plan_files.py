"""A plan file is taken as it is meant, or refused naming the field."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from hemostat.plans.rules import plan
from hemostat.plans.rules.states import Verb

GOOD = """
slug = "roll-back-orders"
name = "Roll back orders"
verb = "rollback"
touches = "orders, one instance after the other"
undo = "roll forward"
about_s = 20

[[comes_up_for]]
app_id = "shop/orders"
exception_class = "internal"

[[steps]]
kind = "http"
name = "Roll back {service_name}"
url = "http://127.0.0.1:9000/services/{service_name}/rollback"
headers = { authorization = "Bearer {secret:PLATFORM}" }
idempotent = true

[[steps.guards]]
kind = "kpi_still_bad"

[[steps]]
kind = "command"
name = "Tell the others"
argv = ["notify", "{incident}"]
env = { TOKEN = "{secret:PLATFORM}" }
timeout_s = 5

[verification]
window_s = 20
goal = 0.98
"""


def test_a_good_file_is_read_as_it_is_meant() -> None:
    read = plan.load(GOOD)
    assert read.verb is Verb.ROLLBACK
    first, second = read.steps
    assert isinstance(first, plan.HttpStep)
    assert first.repeatable
    assert isinstance(first.guards[0], plan.KpiGuard)
    assert isinstance(second, plan.CommandStep)
    assert not second.repeatable
    assert second.argv == ("notify", "{incident}")
    assert read.verification.goal == 0.98
    assert plan.needed(read.steps) == ({"service_name", "incident"}, {"PLATFORM"})


def test_json_and_the_stored_form_mean_the_same() -> None:
    read = plan.load(GOOD)
    stored = json.dumps(plan.as_json(read))
    assert plan.load(stored, file_name="plan.json") == read
    assert plan.steps_from_json(json.loads(stored)["steps"]) == read.steps


@pytest.mark.parametrize(
    ("change", "to", "said"),
    [
        ('argv = ["notify", "{incident}"]', "", "steps[1].argv: missing"),
        ('argv = ["notify", "{incident}"]', 'argv = "notify {incident}"', "steps[1].argv:"),
        ('argv = ["notify", "{incident}"]', "argv = []", "steps[1].argv:"),
        ('"notify"', '"{service}"', "steps[1].argv[0]: the program itself"),
        ('"{incident}"', '"{secret:PLATFORM}"', "steps[1].argv[1]: arguments can be read"),
        ('"{incident}"', '"{incidnet}"', "steps[1].argv[1]: {incidnet} is nothing an incident knows"),
        ('"{incident}"', '"{incident"', "steps[1].argv[1]: a lone {"),
        ("timeout_s = 5", "timeout_s = 0", "steps[1].timeout_s:"),
        ("timeout_s = 5", "time_out = 5", "steps[1].time_out: no such field"),
        ("TOKEN =", "DATABASE_URL =", "steps[1].env: DATABASE_URL is never passed"),
        ("timeout_s = 5", 'pass_env = ["PGPASSWORD"]', "steps[1].env: PGPASSWORD is never passed"),
        ("timeout_s = 5", 'pass_env = ["HEMOSTAT_SECRET_KEY"]', "steps[1].env: HEMOSTAT_SECRET_KEY is never passed"),
        ('kind = "command"', 'kind = "shell"', "steps[1].kind:"),
        ('verb = "rollback"', 'verb = "explode"', "verb:"),
        ('slug = "roll-back-orders"', 'slug = "Roll back"', "slug:"),
        ("goal = 0.98", "goal = 98", "verification.goal:"),
        ("http://127.0.0.1:9000", "ftp://127.0.0.1", "steps[0].url: wanted http"),
        ("http://127.0.0.1:9000", "http://u:p@127.0.0.1", "steps[0].url: wanted a host name and no user"),
        ("/rollback", "/rollback?key={secret:PLATFORM}", "steps[0].url: a secret in a URL"),
        ('"kpi_still_bad"', '"wish"', "steps[0].guards[0].kind:"),
        ("[verification]", "[verificaton]", "verificaton: no such field"),
        ('name = "Roll back orders"', "name = 3", "name: expected `str`"),
    ],
)
def test_what_is_wrong_is_refused_naming_the_field(change: str, to: str, said: str) -> None:
    assert change in GOOD
    with pytest.raises(plan.PlanError) as refused:
        plan.load(GOOD.replace(change, to, 1))
    assert str(refused.value).startswith(said)


def test_the_documented_file_is_a_plan_and_names_every_field() -> None:
    page = (Path(__file__).parents[2] / "docs" / "plans.md").read_text()
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    read = plan.load(example)
    assert {step.kind for step in read.steps} == {"http", "command"}
    for struct in (plan.PlanFile, plan.HttpStep, plan.CommandStep, plan.Verification, plan.Association):
        for field in struct.__struct_fields__:
            assert field in page, f"{struct.__name__}.{field} is not documented"


def test_a_file_that_is_no_toml_or_json_is_refused() -> None:
    with pytest.raises(plan.PlanError, match=r"broken\.toml"):
        plan.load("slug = ", file_name="broken.toml")
    with pytest.raises(plan.PlanError, match="wanted an object"):
        plan.load("[1]", file_name="list.json")


def test_a_command_guard_must_be_for_the_same_engines_as_its_step() -> None:
    guard = '\n[[steps.guards]]\nkind = "command"\nname = "ready"\nargv = ["true"]\nrunner = "eu"\n'
    with pytest.raises(plan.PlanError, match=r"steps\[1\]\.guards\[0\]\.runner: wanted default"):
        plan.load(GOOD.replace("timeout_s = 5", "timeout_s = 5" + guard))
    alone = plan.load(
        GOOD.replace('kind = "kpi_still_bad"', 'kind = "command"\nname = "r"\nargv = ["true"]\nrunner = "eu"')
    )
    assert plan.runner_of(alone.steps[0]) == "eu"
