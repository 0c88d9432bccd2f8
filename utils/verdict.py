"""What a stage's own evidence says of its result: good, doubtful or failed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from utils.errors import UserError

GOOD, DOUBTFUL, FAILED = "good", "doubtful", "failed"
LEVELS = (GOOD, DOUBTFUL, FAILED)


class FailedVerdictError(UserError):
    """A result that the next stage must not take; scripts exit with status 3."""


@dataclass(frozen=True)
class Limit:
    """Where a measure becomes doubtful, and where the result has failed (None: never for it).

    says: what is said then, with {value} for the measure and what to look at; below: small values
    are the bad ones.
    """

    measure: str
    doubtful: float
    failed: float | None
    says: str
    below: bool = False

    def level(self, value: float) -> str:
        """The level of a value; nan, which is no evidence, is good."""
        if math.isnan(value):
            return GOOD
        sign = -1 if self.below else 1
        if self.failed is not None and sign * value > sign * self.failed:
            return FAILED
        return DOUBTFUL if sign * value > sign * self.doubtful else GOOD


@dataclass(frozen=True)
class Verdict:
    """A level, what it rests on in words (nothing where all is good), and the measures."""

    level: str
    reasons: tuple[str, ...]
    measures: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Plain data for records and metrics."""
        measures = {name: round(value, 4) for name, value in self.measures.items()}
        return {"level": self.level, "reasons": list(self.reasons), "measures": measures}

    def line(self) -> str:
        """The stage's last line."""
        return f"verdict: {self.level}" + "".join(f"; {reason}" for reason in self.reasons)

    def enforce(self, force: bool) -> None:
        """Raise FailedVerdictError where the result failed, unless `force`."""
        if self.level == FAILED and not force:
            raise FailedVerdictError(
                f"{self.line()}; nothing was written (--force writes it all the same)"
            )


def assess(measures: Mapping[str, float], limits: Sequence[Limit]) -> Verdict:
    """The verdict on measures: the worst of their levels, each that is not good with its reason."""
    judged = [
        (limit.level(measures[limit.measure]), limit)
        for limit in limits
        if limit.measure in measures
    ]
    worst = max((LEVELS.index(level) for level, _ in judged), default=0)
    reasons = [
        limit.says.format(value=measures[limit.measure])
        for level, limit in sorted(judged, key=lambda each: -LEVELS.index(each[0]))
        if level != GOOD
    ]
    return Verdict(LEVELS[worst], tuple(reasons), dict(measures))
