"""Judges what is known of the pins: `pip-audit --format json … | python -m tests.conventions.audit`.

By itself pip-audit says that all is well also when it could look nothing up.
"""

import json
import sys
from typing import Any


def problems(report: str) -> list[str]:
    """Each known vulnerability and each package that was not looked up; a report of nothing is a problem too."""
    try:
        audited = json.loads(report)["dependencies"]
    except (ValueError, LookupError, TypeError):
        return ["pip-audit gave no report"]
    return [problem for package in audited for problem in _problems_of(package)] if audited else ["no package"]


def _problems_of(package: dict[str, Any]) -> list[str]:
    if "vulns" not in package:
        return [f"{package['name']}: not looked up"]
    name = f"{package['name']} {package['version']}"
    return [f"{name}: {known['id']}, mended in {known['fix_versions']}" for known in package["vulns"]]


def main() -> int:
    """1 if there is a problem, each of which is printed."""
    found = problems(sys.stdin.read())
    sys.stdout.writelines(
        f"{problem}\n" for problem in found or ["every pin was looked up, none is known as vulnerable"]
    )
    return min(len(found), 1)


if __name__ == "__main__":
    sys.exit(main())
