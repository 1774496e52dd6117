import io

from aigateway.caller.lineage import Lineage
from aigateway.interception import Parents
from aigateway.ledger.rows import Interception, whole
from aigateway.sessions.threads import conversation_of
from cli.branches import Tree, tree_of
from cli.terminal import Terminal
from cli.transcript import transcript
from tests.builders import a_closed, a_tool, an_opened


def a_row(
    seconds: float,
    agent: str | None = None,
    parent: str | None = None,
    after: Interception | None = None,
    *,
    calls: bool = False,
    auxiliary: bool = False,
) -> Interception:
    opened = an_opened(
        seconds,
        lineage=Lineage("session-1", agent, parent, auxiliary),
        prompt=None if after else f"From {seconds}.",
        parents=Parents(after.id, after.id) if after else None,
    )
    facts = (a_tool(f"call-{seconds}", "Task"),) if calls else ()
    return whole(opened, a_closed(opened, *facts, seconds=1))


def tree(*rows: Interception) -> Tree:
    return tree_of(conversation_of(rows).threads)


def test_a_sub_agent_stands_below_the_step_that_was_under_way() -> None:
    first = a_row(0, calls=True)
    then = a_row(10, after=first, calls=True)
    one, two, late = a_row(5, "a"), a_row(6, "b"), a_row(15, "c")
    found = tree(first, one, two, then, late)
    assert [thread.id for thread in found.roots] == [first.id]
    assert [thread.id for thread in found.below[first.id]] == [one.id, two.id]
    assert [thread.id for thread in found.below[then.id]] == [late.id]


def test_a_sub_agents_own_sub_agent_stands_below_it() -> None:
    main = a_row(0, calls=True)
    child = a_row(5, "a", "session-1", calls=True)
    grandchild = a_row(6, "b", "a")
    found = tree(main, child, grandchild)
    assert [thread.id for thread in found.below[main.id]] == [child.id]
    assert [thread.id for thread in found.below[child.id]] == [grandchild.id]


def test_a_step_with_calls_and_no_side_request_begins_a_sub_agent() -> None:
    calling, answering, aside = a_row(0, calls=True), a_row(2), a_row(3, auxiliary=True)
    found = tree(calling, answering, aside, a_row(5, "a"))
    assert set(found.below) == {calling.id}
    assert set(tree(a_row(0), last := a_row(2), a_row(5, "a")).below) == {last.id}


def test_without_an_earlier_step_a_sub_agent_stands_by_itself() -> None:
    alone, itself = a_row(0, "a"), a_row(1, "b", "b")
    assert [thread.id for thread in tree(alone, itself).roots] == [alone.id, itself.id]
    assert tree(alone, itself).below == {}


def test_every_thread_stands_in_the_tree_once() -> None:
    rows = [
        a_row(number, ["a", "b", "c", None][number % 4], ["b", None, "a"][number % 3])
        for number in range(24)
    ]
    found = tree(*rows)
    placed = [*found.roots, *(thread for below in found.below.values() for thread in below)]
    assert sorted(row.id for thread in placed for row in thread.rows) == sorted(
        row.id for row in rows
    )


def test_the_transcript_shows_the_tree() -> None:
    main, child = a_row(0, calls=True), a_row(5, "explorer", calls=True)
    rows = (main, child, a_row(6, "reader", "explorer"), a_row(9, after=main))
    out = io.StringIO()
    Terminal(out).lines(transcript(rows))
    lines = out.getvalue().splitlines()
    assert "    │ 12:00:05 · sub-agent explorer" in lines
    assert "    │ ▌ From 5." in lines
    assert "    │     │ 12:00:06 · sub-agent reader" in lines
    assert lines.index("    │     │ 12:00:06 · sub-agent reader") < next(
        number for number, line in enumerate(lines) if line.startswith("  12:00:09")
    )
