"""Counters become series: what is summed, what is divided, what is left out."""

from aigateway.reload.publishing.fold import folded, in_order
from aigateway.reload.publishing.names import Names
from aigateway.telemetry import catalogue
from aigateway.telemetry.catalogue import Family
from aigateway.telemetry.series import Series

Counters = dict[tuple[str, tuple[str, ...]], dict[str, int]]
WHOSE = ("p", "m", "/r", "POST", "Zed", "u")


def values_of(counters: Counters, family: Family, part: str = "") -> dict[str, float]:
    """Return the values of a family by its labels, written out."""
    found = folded(counters, Names.read(None).with_those_of(counters))
    return {
        ",".join(f"{name}={value}" for name, value in each.labels): each.value
        for each in found
        if each.family is family and each.part == part
    }


def test_sums_run_over_the_labels_that_a_family_does_not_have() -> None:
    counters: Counters = {
        ("R", WHOSE): {"c": 2, "f": 1, "n:Bash": 3},
        ("R", (*WHOSE[:5], "v")): {"c": 4, "n:Bash": 1},
    }
    assert values_of(counters, catalogue.TOOLS) == {"model=m,name=Bash,provider=p": 4.0}
    shared = "client=Zed,initiator_id={},method=POST,model=m,provider=p,route=/r,status={}"
    assert values_of(counters, catalogue.INTERCEPTIONS) == {
        shared.format("u", "completed"): 2.0,
        shared.format("u", "failed"): 1.0,
        shared.format("v", "completed"): 4.0,
    }


def test_each_type_of_token_is_a_series() -> None:
    counters: Counters = {("R", WHOSE): {"c": 1, "t:input": 5, "t:output_reasoning": 7}}
    labels = "client=Zed,initiator_id=u,model=m,provider=p,type={}"
    assert values_of(counters, catalogue.TOKENS) == {
        labels.format("input"): 5.0,
        labels.format("output_reasoning"): 7.0,
    }


def test_buckets_grow_and_sums_are_divided_once() -> None:
    counters: Counters = {
        ("R", WHOSE): {"c": 3, "d0": 1, "d3": 2, "ds": 333, "b1": 1, "bs": 250, "k0": 3, "ks": 3},
        ("R", (*WHOSE[:5], "v")): {"c": 1, "d7": 1, "ds": 667},
        ("P", ("p", "/x", "GET")): {"n": 1, "d0": 1, "ds": 100, "k1": 1, "ks": 2},
    }
    buckets = values_of(counters, catalogue.DURATION, "_bucket")
    assert list(buckets.values()) == [1, 1, 1, 3, 3, 3, 3, 4]
    assert list(values_of(counters, catalogue.DURATION, "_sum").values()) == [1.0]
    assert list(values_of(counters, catalogue.DURATION, "_count").values()) == [4.0]
    assert list(values_of(counters, catalogue.FIRST_BYTE, "_sum").values()) == [0.25]
    assert list(values_of(counters, catalogue.FAILOVERS, "_sum").values()) == [5.0]
    assert list(values_of(counters, catalogue.FAILOVERS, "_count").values()) == [4.0]
    assert list(values_of(counters, catalogue.PASSTHROUGH_DURATION, "_count").values()) == [1.0]


def test_every_kind_of_counter_has_its_families() -> None:
    counters: Counters = {
        ("R", WHOSE): {"c": 1, "p": 1, "um:cut": 2, "up:azure": 3, "uc": 2_500_000}
        | {"j:https://mcp.example/|search": 4},
        ("P", ("p", "/x", "GET")): {"n": 5},
        ("B", ("p", "/r", "m")): {"tr": 6, "rj": 7},
        ("K", ("p",)): {"r:rate_limited": 8, "x:auth_failed": 9},
        ("J", ("not_allowed",)): {"n": 10},
        ("O", ("err", "close")): {"n": 11},
        ("O", ("spilled",)): {"n": 12},
        ("O", ("orphans",)): {"n": 13},
        ("O", ("pub", "read")): {"n": 14},
    }
    expected = {
        catalogue.PROMPTS: ("client=Zed,initiator_id=u,model=m,provider=p", 1),
        catalogue.USAGE_MISSING: ("model=m,provider=p,reason=cut", 2),
        catalogue.UNPRICED: ("model=m,provider=p,provider_type=azure", 3),
        catalogue.COST: ("initiator_id=u,model=m,provider=p", 2.5),
        catalogue.INJECTED_TOOLS: (
            "model=m,name=search,provider=p,server=https://mcp.example/",
            4,
        ),
        catalogue.PASSTHROUGH: ("method=GET,provider=p,route=/x", 5),
        catalogue.BREAKER_TRIPS: ("endpoint=/r,model=m,provider=p", 6),
        catalogue.BREAKER_REJECTS: ("endpoint=/r,model=m,provider=p", 7),
        catalogue.KEY_TRANSITIONS: ("provider=p,reason=rate_limited", 8),
        catalogue.KEY_EXHAUSTIONS: ("outcome=auth_failed,provider=p", 9),
        catalogue.REJECTED: ("reason=not_allowed", 10),
        catalogue.RECORDER_ERRORS: ("op=close", 11),
        catalogue.SPILLED: ("", 12),
        catalogue.ORPHANS: ("", 13),
        catalogue.PUBLISHER_ERRORS: ("stage=read", 14),
    }
    for family, (labels, value) in expected.items():
        assert values_of(counters, family) == {labels: value}, family.name


def test_counters_of_kinds_that_nobody_knows_yet_are_left_alone() -> None:
    counters: Counters = {("Q", ("x",)): {"n": 1}, ("O", ("new",)): {"n": 1}}
    assert folded(counters, Names.read(None)) == []


def test_a_label_without_a_value_is_absent() -> None:
    counters: Counters = {("P", ("p", "", "GET")): {"n": 1}}
    assert values_of(counters, catalogue.PASSTHROUGH) == {"method=GET,provider=p": 1.0}


def test_families_come_in_the_order_of_the_catalogue_and_histograms_stay_whole() -> None:
    counters: Counters = {
        ("J", ("b",)): {"n": 1},
        ("J", ("a",)): {"n": 1},
        ("R", WHOSE): {"c": 1, "d0": 1, "ds": 1},
        ("R", ("q", *WHOSE[1:])): {"c": 1, "d0": 1, "ds": 1},
    }
    names = Names.read(None).with_those_of(counters)
    ordered = in_order(reversed(folded(dict(reversed(counters.items())), names)))
    assert [each.family for each in ordered] == sorted(
        (each.family for each in ordered), key=catalogue.FAMILIES.index
    )
    buckets = [e for e in ordered if e.family is catalogue.DURATION]
    assert [providers_of(each) for each in buckets] == ["p"] * 10 + ["q"] * 10
    reasons = [dict(each.labels)["reason"] for each in ordered if each.family is catalogue.REJECTED]
    assert reasons == ["a", "b"]


def providers_of(series: Series) -> str:
    return dict(series.labels)["provider"]
