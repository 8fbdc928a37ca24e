"""Programs that people already run, unmodified: `amtool` and Prometheus send, and what they send becomes alerts."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from hemostat.alerts import queries
from hemostat.alerts.folding import Folding
from hemostat.base import clock
from tests.intake.conftest import RunningDoor, free_port, wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(f"{name} is not installed")
        pytest.skip(f"{name} is not installed")
    return found


def open_names() -> set[str]:
    folding = Folding()
    while folding.step(clock.now()):
        pass
    return {alert.name for alert in queries.open_alerts()}


def test_amtool_adds_and_ends_an_alert(alerts_token: str, door: RunningDoor) -> None:
    url = door.url.replace("http://", f"http://amtool:{alerts_token}@")
    amtool = [program("amtool"), f"--alertmanager.url={url}", "alert", "add", "alertname=DiskFull", "severity=page"]
    subprocess.run([*amtool, "--annotation=summary=nearly full"], check=True, capture_output=True, timeout=30)
    wait_for(lambda: open_names() == {"DiskFull"})
    (alert,) = queries.open_alerts()
    assert (alert.level, alert.annotations) == ("critical", {"summary": "nearly full"})
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    subprocess.run([*amtool, f"--end={now}"], check=True, capture_output=True, timeout=30)
    wait_for(lambda: open_names() == set())


def test_prometheus_fires_and_resolves(alerts_token: str, door: RunningDoor, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yml"

    def write_rules(expression: str) -> None:
        rules.write_text(
            "groups: [{name: g, interval: 1s, rules: [{alert: ShopDown, expr: '" + expression + "', "
            "labels: {severity: critical, service: shop}, annotations: {summary: the shop is down}}]}]\n"
        )

    write_rules("vector(1)")
    (tmp_path / "prometheus.yml").write_text(
        "global: {evaluation_interval: 1s, external_labels: {cluster: test}}\n"
        "rule_files: [rules.yml]\n"
        "alerting:\n  alertmanagers:\n  - api_version: v2\n"
        f"    authorization: {{credentials: {alerts_token}}}\n"
        f"    static_configs: [{{targets: ['{door.url.removeprefix('http://')}']}}]\n"
    )
    port = free_port()
    argv = [
        program("prometheus"),
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-lifecycle",
        "--rules.alert.resend-delay=2s",
        "--log.level=error",
    ]
    prometheus = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: open_names() == {"ShopDown"}, 60)
        (alert,) = queries.open_alerts()
        assert (alert.app_id, alert.level, alert.labels["cluster"]) == ("shop", "critical", "test")
        wait_for(lambda: bool(open_names()) and queries.open_alerts()[0].received > 1, 60)
        write_rules("vector(1) > 2")
        subprocess.run(["kill", "-HUP", str(prometheus.pid)], check=True)
        wait_for(lambda: open_names() == set(), 60)
    finally:
        prometheus.terminate()
        prometheus.wait(20)
