"""The files that Prometheus and Alertmanager start from. JSON, which is YAML too."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SCRAPED_EVERY_SECONDS = 15
TOGETHER_SECONDS = 10


def prometheus_file(
    rules: Path,
    alertmanager: str,
    pushgateway: str | None = None,
    *,
    every_seconds: int = SCRAPED_EVERY_SECONDS,
) -> str:
    """Return a configuration; addresses are ``host:port``.

    ``every_seconds``: between two looks at the rules and at the Pushgateway. Labels that were
    pushed are kept, or each series would seem to be the Pushgateway's own.
    """
    pushed = {"job_name": "pushgateway", "honor_labels": True, **_targets(pushgateway)}
    return _text(
        {
            "global": {
                "scrape_interval": f"{every_seconds}s",
                "evaluation_interval": f"{every_seconds}s",
            },
            "rule_files": [str(rules)],
            "alerting": {"alertmanagers": [_targets(alertmanager)]},
            "scrape_configs": [pushed] if pushgateway is not None else [],
        }
    )


def alertmanager_file(
    webhook: str | None = None, *, together_seconds: int = TOGETHER_SECONDS
) -> str:
    """Return a configuration: alerts are shown and, given ``webhook``, posted there.

    What fires within ``together_seconds`` of its like is told in one message.
    """
    receiver: dict[str, Any] = {"name": "all"}
    if webhook is not None:
        receiver["webhook_configs"] = [{"url": webhook, "send_resolved": True}]
    return _text(
        {
            "route": {
                "receiver": "all",
                "group_by": ["alertname", "instance", "provider_name", "status"],
                "group_wait": f"{together_seconds}s",
                "group_interval": f"{max(together_seconds, 1)}s",
            },
            "receivers": [receiver],
        }
    )


def _targets(address: str | None) -> Mapping[str, Any]:
    return {"static_configs": [{"targets": [address]}]}


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2) + "\n"
