"""Each rule of the house catches what it is for, lets pass what looks like it, and takes a reasoned excuse."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from lints.__main__ import main
from lints.rules import find

ROOT = Path(__file__).parents[2]


def rules(source: str, path: str = "hemostat/alerts/views.py") -> list[str]:
    """Names of the rules that `source` breaks when it stands at `path`."""
    return [finding.rule for finding in find(PurePosixPath(path), source)]


@pytest.mark.parametrize(
    "line",
    [
        "Alert.objects.create(name='x')",
        "Alert.objects.filter(pk=1).update(state='firing')",
        "Alert.objects.filter(pk=1).exclude(x=2).delete()",
        "Alert.objects.bulk_create(rows)",
        "alert.save()",
        "alert.save(update_fields=['state'])",
        "alert.delete()",
        "Alert._default_manager.select_for_update().update(x=1)",
        "Alert.objects.get_or_create(name='x')",
    ],
)
def test_writing_outside_actions_is_found(line: str) -> None:
    assert rules(line) == ["writes"]


@pytest.mark.parametrize(
    "path", ["hemostat/alerts/actions.py", "hemostat/alerts/store.py", "hemostat/people/migrations/0001_initial.py",
             "hemostat/base/due.py", "tests/alerts/test_actions.py"],
)  # fmt: skip
def test_writing_where_it_belongs_is_fine(path: str) -> None:
    assert rules("alert.save()", path) == []


@pytest.mark.parametrize(
    "line", ["settings.update(HOST='x')", "cache.delete('key')", "requests.delete('http://x')", "seen.add(1)",
             "Alert.objects.filter(pk=1).first()", "values = {}\nvalues.update(a=1)"],
)  # fmt: skip
def test_what_only_looks_like_writing_is_fine(line: str) -> None:
    assert rules(line) == []


@pytest.mark.parametrize(
    "source",
    [
        "from datetime import datetime\nnow = datetime.now()",
        "import datetime\nnow = datetime.datetime.now()",
        "from datetime import datetime as dt\nnow = dt.utcnow()",
        "import time\nnow = time.time()",
        "from time import time\nnow = time()",
        "from django.utils import timezone\nnow = timezone.now()",
        "from django.utils import timezone\nfield = Field(default=timezone.now)",
        "from datetime import date\ntoday = date.today()",
        "import time\nbegan = time.monotonic()",
        "from time import perf_counter\nbegan = perf_counter()",
    ],
)
def test_reading_a_clock_is_found(source: str) -> None:
    assert set(rules(source)) == {"time"}


def test_only_the_clock_reads_clocks_and_only_the_site_measures_real_seconds() -> None:
    assert rules("import time\nnow = time.time()", "hemostat/base/clock.py") == []
    assert rules("import time\nbegan = time.monotonic()", "hemostat/site/supervisor.py") == []
    assert rules("import time\nnow = time.time()", "hemostat/site/supervisor.py") == ["time"]


def test_asking_our_clock_or_parsing_a_time_is_fine() -> None:
    assert rules("from hemostat.base import clock\nnow = clock.now()") == []
    assert rules("from datetime import datetime\nat = datetime.fromisoformat(text)") == []
    assert rules("import time\ntime.sleep(1)") == []


@pytest.mark.parametrize(
    "source",
    [
        "cursor.execute(f'select * from {table}')",
        "cursor.execute('select * from t where a = %s' % value)",
        "cursor.execute('select ' + columns)",
        "cursor.execute('select {}'.format(x))",
        "cursor.execute('where ' + ' and '.join(parts))",
        "query = f'select {x}'\ncursor.execute(query)",
        "Alert.objects.raw(f'select {x}')",
    ],
)
def test_sql_built_from_strings_is_found(source: str) -> None:
    assert rules(source) == ["sql"]
    assert rules(source, "hemostat/alerts/store.py") == ["sql"]


@pytest.mark.parametrize(
    "source",
    [
        "cursor.execute('select * from t where a = %s', [value])",
        "cursor.execute(sql.SQL('create database {}').format(sql.Identifier(name)))",
        "cursor.execute(f'select 1')",
        "cursor.execute(STATEMENT)",
        "log.info(f'hello {name}')",
    ],
)
def test_sql_with_parameters_is_fine(source: str) -> None:
    assert rules(source) == []


def test_hidden_work_is_found() -> None:
    assert rules("from django.dispatch import receiver") == ["hidden"]
    assert rules("from django.db.models.signals import post_save") == ["hidden"]
    model = "class Alert(models.Model):\n    def save(self, *args, **kwargs):\n        pass"
    assert rules(model, "hemostat/alerts/models.py") == ["hidden"]
    assert rules("class File:\n    def save(self): pass", "hemostat/alerts/models.py") == []


def test_only_the_site_acts_when_django_is_ready() -> None:
    config = "class AlertsConfig(AppConfig):\n    def ready(self):\n        pass"
    assert rules(config, "hemostat/alerts/apps.py") == ["ready"]
    assert rules(config, "hemostat/site/apps.py") == []
    assert rules("class Cluster:\n    def ready(self): pass", "hemostat/alerts/apps.py") == []


def test_an_excuse_must_name_the_rule_and_give_a_reason() -> None:
    assert rules("alert.save()  # house: writes - the one place that must") == []
    assert rules("alert.save()  # house: writes") == ["writes"]
    assert rules("alert.save()  # house: time - wrong rule") == ["writes"]


def test_the_house_is_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(ROOT) == 0, capsys.readouterr().out
