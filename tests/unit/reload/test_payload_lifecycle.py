"""How long the bucket keeps long texts."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from aigateway.errors import RecorderUnavailable
from aigateway.ledger import object_rules
from aigateway.ledger.dynamodb.bucket import Bucket, create_bucket
from aigateway.reload.payload_lifecycle import PayloadLifecycle, rule_for
from aigateway.settings import Settings
from tests.contract.stand_in import (
    OneCallAtATime,
    at_once,
    moto_s3,
    stand_in,
    stand_in_s3,
)

__all__ = ["moto_s3", "stand_in", "stand_in_s3"]

SIXTY_DAYS = timedelta(days=60)
Rule = dict[str, Any]
OTHER: Rule = {
    "ID": "exports",
    "Filter": {"Prefix": "export/"},
    "Status": "Enabled",
    "Expiration": {"Days": 3},
}


class Rules:
    """The rules of a bucket, in memory; ``faults`` are raised first."""

    def __init__(self, *rules: Rule) -> None:
        self.kept = list(rules)
        self.reads = self.writes = 0
        self.faults: list[Exception] = []

    async def rules(self) -> list[Rule]:
        self.reads += 1
        if self.faults:
            raise self.faults.pop()
        return list(self.kept)

    async def set_rules(self, rules: list[Rule]) -> None:
        self.writes += 1
        self.kept = rules


@pytest.mark.parametrize(
    ("retention", "days"),
    [
        (SIXTY_DAYS, 62),
        (timedelta(hours=36), 4),
        (timedelta(days=1), 3),
        (timedelta(hours=1), 3),
    ],
)
def test_a_text_outlives_its_record_by_two_days(retention: timedelta, days: int) -> None:
    rule = rule_for(retention)
    assert rule["Expiration"] == {"Days": days}
    assert rule["Filter"] == {"Prefix": "p/"}


async def test_the_rule_is_written_once_and_others_stay() -> None:
    objects = Rules(OTHER)
    assert await PayloadLifecycle(objects, SIXTY_DAYS).keep() == 1
    assert objects.kept == [OTHER, rule_for(SIXTY_DAYS)]
    assert await PayloadLifecycle(objects, SIXTY_DAYS).keep() == 0
    assert objects.writes == 1


@pytest.mark.parametrize(
    "altered",
    [
        {"Expiration": {"Days": 61}},
        {"Expiration": {"ExpiredObjectDeleteMarker": True}},
        {"Filter": {"Prefix": ""}},
        {"Status": "Disabled"},
    ],
)
async def test_a_rule_that_was_altered_is_put_right(altered: Rule) -> None:
    objects = Rules(rule_for(SIXTY_DAYS) | altered, OTHER)
    await PayloadLifecycle(objects, SIXTY_DAYS).keep()
    assert objects.kept == [OTHER, rule_for(SIXTY_DAYS)]


async def test_without_a_retention_there_is_no_rule() -> None:
    objects = Rules(OTHER, rule_for(SIXTY_DAYS))
    await PayloadLifecycle(objects, None).keep()
    assert objects.kept == [OTHER]
    await PayloadLifecycle(objects, None).keep()
    assert objects.writes == 1


async def test_one_process_looks_until_it_succeeded_once() -> None:
    objects = Rules()
    objects.faults.append(RecorderUnavailable("broken by the test"))
    lifecycle = PayloadLifecycle(objects, SIXTY_DAYS)
    with pytest.raises(RecorderUnavailable):
        await lifecycle.keep()
    for _ in range(2):
        await lifecycle.keep()
    assert (objects.reads, objects.writes) == (2, 1)


def test_only_a_table_has_a_bucket() -> None:
    assert object_rules(Settings()) is None
    no_table = Settings.from_env({"AIGW_PAYLOAD_BUCKET": "texts"})
    assert object_rules(no_table) is None
    both = Settings.from_env({"AIGW_PAYLOAD_BUCKET": "texts", "AIGW_TABLE": "records"})
    assert isinstance(object_rules(both), Bucket)


@pytest.fixture
def s3_moto(moto_s3: OneCallAtATime) -> Iterator[OneCallAtATime]:
    moto = pytest.importorskip("moto")
    with moto.mock_aws():
        yield moto_s3


@pytest.fixture(params=["s3_moto", pytest.param("stand_in_s3", marks=pytest.mark.ministack)])
def connecting(request: pytest.FixtureRequest) -> Callable[[], Any]:
    s3 = request.getfixturevalue(request.param)
    return lambda: s3


async def test_a_bucket_takes_the_rule_and_gives_it_back(connecting: Callable[[], Any]) -> None:
    name = f"texts-{uuid4().hex[:12]}"
    create_bucket(name, connecting)
    bucket = Bucket(name, connecting, at_once)
    assert await bucket.rules() == []
    await PayloadLifecycle(bucket, SIXTY_DAYS).keep()
    (found,) = await bucket.rules()
    assert found["Expiration"] == {"Days": 62}
    await bucket.set_rules([found, OTHER])
    await PayloadLifecycle(bucket, None).keep()
    (left,) = await bucket.rules()
    assert left["ID"] == "exports"
    await bucket.set_rules([])
    assert await bucket.rules() == []


async def test_a_bucket_that_is_not_there_is_a_fault(connecting: Callable[[], Any]) -> None:
    bucket = Bucket(f"texts-{uuid4().hex[:12]}", connecting, at_once)
    with pytest.raises(RecorderUnavailable, match="NoSuchBucket"):
        await PayloadLifecycle(bucket, SIXTY_DAYS).keep()
