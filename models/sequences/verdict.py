"""What a stage says of a whole sequence: the medians of its frames' verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from utils.stage.frames import listed
from utils.verdict import FAILED, GOOD, Limit, Verdict, assess

Written = Mapping[str, dict[str, Any] | None]  # what a stage wrote, by frame; None: it failed


def frames_verdict(written: Written, limits: Sequence[Limit], title: str) -> Verdict:
    """The verdict on the frames' medians; frames that are worse are said.

    limits: of one frame's measures; title: the sequence's.
    """
    good = [facts for facts in written.values() if facts]
    measures = {limit.measure: _median(good, limit.measure) for limit in limits}
    doubtful = [n for n, facts in written.items() if facts and facts["verdict"]["level"] != GOOD]
    if doubtful:
        print(f"warning: {len(doubtful)} frames are doubtful: {listed(doubtful)}")
    if not good:
        return Verdict(FAILED, (f"no frame of {title} could be used",), measures)
    return assess(measures, limits)


def _median(good: Sequence[Mapping[str, Any]], measure: str) -> float:
    values = [facts["verdict"]["measures"].get(measure, np.nan) for facts in good]
    return float(np.median(values)) if values else float("nan")
