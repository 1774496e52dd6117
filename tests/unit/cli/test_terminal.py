import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.terminal import Column, Line, Span, Terminal, one_line, shown

ESCAPES = "\x1b[31mred\x1b[0m\x1b]0;title\x07\x9b2J\r\x08\u202e\u2066\ufeff\U000e0041"


class Watched(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    """A terminal of 40 columns that shows colours."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "40")
    return Watched()


def test_control_characters_are_shown_and_never_sent() -> None:
    assert shown("a\x1b[2Jb\x07\x9b\u202ec\U000e0041") == (
        "a\\x1b[2Jb\\x07\\x9b\\u202ec\\U000e0041"
    )
    assert shown("one\r\ntwo\tthree\n") == "one\ntwo\tthree\n"
    assert shown("👩‍💻 naïve 日本 \u0645") == "👩‍💻 naïve 日本 \u0645"


@given(st.text())
def test_what_is_shown_holds_nothing_a_terminal_obeys(text: str) -> None:
    kinds = {unicodedata.category(c) for c in shown(text) if c not in "\n\t"}
    assert not kinds & {"Cc", "Cs", "Zl", "Zp"}
    assert not set(shown(text)) & set("\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2069")


def test_only_our_own_styles_reach_a_terminal(watched: Watched) -> None:
    terminal = Terminal(watched)
    terminal.lines([Line((Span(ESCAPES, "bad"),), Span("▌ ", "user"))])
    terminal.table([Column("TITLE")], [[ESCAPES]])
    sent = watched.getvalue()
    for control in ("\x1b[31mred", "\x1b]", "\x07", "\x9b", "\r", "\x08", "\u202e"):
        assert control not in sent
    assert "\\x1b[31mred" in sent.replace("\n", "")


def test_markup_and_emoji_names_are_plain_text() -> None:
    out = io.StringIO()
    terminal = Terminal(out)
    terminal.print("[bold]x[/bold] :smile: [link=http://evil]y[/link]")
    terminal.table([Column("A")], [["[red]z"]])
    assert out.getvalue() == "[bold]x[/bold] :smile: [link=http://evil]y[/link]\nA\n[red]z\n"


def test_off_a_terminal_nothing_is_wrapped_cut_or_coloured() -> None:
    out = io.StringIO()
    terminal = Terminal(out)
    long = "word " * 500 + "end"
    terminal.lines([Line((Span(f"{long}\nsecond", "bad"),), Span("> ", "user"))])
    terminal.table([Column("A"), Column("B", cut=True)], [["x", long]])
    lines = out.getvalue().splitlines()
    assert lines == [f"> {long}", "> second", "A  B", f"x  {long}"]


def test_on_a_terminal_every_line_keeps_its_margin_and_fits(watched: Watched) -> None:
    terminal = Terminal(watched)
    terminal.lines([Line((Span("word " * 30),), Span("| "))])
    lines = watched.getvalue().splitlines()
    assert len(lines) > 3
    assert all(line.startswith("| word") and len(line) <= 40 for line in lines)


def test_on_a_terminal_the_last_column_gives_way(watched: Watched) -> None:
    columns = [Column("ID"), Column("PROMPT", cut=True)]
    Terminal(watched).table(columns, [["0123456789", "word " * 30]])
    row = watched.getvalue().splitlines()[-1]
    assert "0123456789" in row
    assert "…" in row
    assert len(row) <= 40


def test_a_cell_is_one_line() -> None:
    assert one_line("a\n\n b\tc\r\nd") == "a b c d"


def test_characters_that_the_encoding_lacks_are_replaced() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    Terminal(out).print("▌ é")
    out.flush()
    assert raw.getvalue() == b"? ?\n"
