"""Which views and fragments each thread of the CPU render operations works on."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from utils.render.threads import deal, split, thread_count


@dataclass
class Shares:
    """What each thread does."""

    views: list[np.ndarray]  # the views to which work can only be dealt out whole
    items: list[np.ndarray]  # ranges (n, 3) of fragments: view, first, last + 1
    copies: int  # of what belongs to a view and is added to: 1, or one a thread if they share views


def share_views(costs: np.ndarray) -> list[np.ndarray]:
    """The views for each thread, given their costs (B,); those that cost nothing are left out."""
    views = np.flatnonzero(costs)
    return [views[share] for share in deal(costs[views].tolist())]


def share_fragments(covered: np.ndarray) -> Shares:
    """Deal out views of as many fragments (B,): whole if there are enough, else in parts."""
    ends, threads = np.concatenate([[0], covered.cumsum()]).tolist(), thread_count()
    views = share_views(covered)
    if len(covered) >= threads:
        items = [np.array([(v, ends[v], ends[v + 1]) for v in own]) for own in views]
        return Shares(views, items, 1)
    cuts = [split(first, last, threads) for first, last in itertools.pairwise(ends)]
    items = [np.array([(v, *cut[i]) for v, cut in enumerate(cuts)]) for i in range(threads)]
    return Shares(views, items if ends[-1] else [], threads)
