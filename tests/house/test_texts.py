"""What the repository's texts must not hold, and where their links lead."""

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\[[^\]\n]*\]\(([^()\s]+)\)")
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
URL = re.compile(r"https?://([A-Za-z0-9._-]+)")
FORBIDDEN = {
    "a path of one machine": re.compile(rf"{re.escape(str(ROOT))}\b|/home/\w|/Users/\w|/root/"),
    "work that is left": re.compile(r"\b(?:TODO|FIXME|XXX)\b|NotImplementedError"),
    "a conflict": re.compile(r"^(?:<{7}|>{7}) ", re.MULTILINE),
}  # fmt: skip


@cache
def texts() -> dict[str, str]:
    """Return every text that is tracked, or would be: path to content."""
    if not (ROOT / ".git").exists():
        pytest.skip("no git checkout: it is unknown which files are tracked")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    found: dict[str, str] = {}
    for name in filter(None, listed.decode().split("\0")):
        path = ROOT / name
        content = path.read_bytes() if path.is_file() else b""
        if b"\0" not in content:
            found[name] = content.decode("utf-8", "replace")
    return found


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_text_holds(what: str) -> None:
    here = str(Path(__file__).relative_to(ROOT))
    holding = [n for n, text in texts().items() if n != here and FORBIDDEN[what].search(text)]
    assert holding == []


def test_no_lock_names_a_host_of_its_own() -> None:
    for name, text in texts().items():
        if name.startswith("requirements/") or name.endswith("requirements.txt"):
            assert "://" not in text, name
        if name.endswith(("package-lock.json", ".npmrc", "uv.lock")):
            assert URL.findall(re.sub(r'"(?:url|homepage)": ".*?"', "", text)) == [], name


def test_no_text_names_a_host_of_a_private_network() -> None:
    private = re.compile(r"\.(?:internal|intranet|corp|lan|local)$|^(?:10|192\.168|172\.\d+)\.")
    for name, text in texts().items():
        if not name.startswith("tests/"):
            assert [host for host in URL.findall(text) if private.search(host)] == [], name


def pages() -> Iterator[str]:
    return (name for name in texts() if name.endswith(".md"))


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub makes of headings."""
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(text))
    return {heading.strip().replace(" ", "-") for heading in plain}


def test_links_lead_to_files_and_headings_that_exist() -> None:
    broken = []
    for name in pages():
        for target in LINK.findall(CODE.sub("", texts()[name])):
            if re.match(r"[a-z]+:", target):
                continue
            place, _, anchor = unquote(target).partition("#")
            path = (ROOT / name).parent / place if place else ROOT / name
            leads = path.exists() and (
                not anchor or path.suffix != ".md" or anchor in anchors(path.read_text())
            )
            if not leads:
                broken.append(f"{name}: {target}")
    assert broken == []
