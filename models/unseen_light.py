"""Light for cameras that no photo was fitted in."""

from __future__ import annotations

from models.appearance import Appearance


def light_for_unseen(appearance: Appearance, views: int) -> Appearance:
    """The same albedo under a light and gain for `views` cameras that were not fitted.

    The mean of the fitted views' lights, which are all given in world axes.
    """
    return Appearance(
        appearance.albedo,
        appearance.sh_coeff.mean(0, keepdim=True).expand(views, -1),
        appearance.gain.mean(0, keepdim=True).expand(views, -1),
        appearance.lobes,
    )
