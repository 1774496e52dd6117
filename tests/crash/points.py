"""Every point: where processes die, as data."""

from tests.crash.exchange_points import EXCHANGE_POINTS
from tests.crash.job_points import JOB_POINTS
from tests.crash.point import Point

POINTS: tuple[Point, ...] = (*EXCHANGE_POINTS, *JOB_POINTS)
