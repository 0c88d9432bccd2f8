"""A small Levenberg-Marquardt solver for robust, dense problems of a few hundred unknowns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from utils.steps import record_step

FIRST_DAMPING, LEAST_DAMPING, MOST_DAMPING = 1e-4, 1e-9, 1e6


@dataclass(frozen=True)
class Residuals:
    """N residual vectors of one kind, each already divided by its standard deviation.

    value (N, C); jacobian (N, C, P); weight (N,), 0 where there is nothing to compare. `cauchy` is
    the length at which a vector loses half its weight (None: plain least squares).
    """

    name: str
    value: Tensor
    jacobian: Tensor
    weight: Tensor
    cauchy: float | None = None

    def cost(self) -> float:
        """Sum of weight * rho(|value|^2) / 2, with Cauchy's rho(s) = c^2 log(1 + s / c^2)."""
        squared = self.value.square().sum(1)
        if self.cauchy is not None:
            squared = self.cauchy**2 * (squared / self.cauchy**2).log1p()
        return float((self.weight * squared).sum()) / 2

    def normal_equations(self) -> tuple[Tensor, Tensor]:
        """J^T W J (P, P) and J^T W r (P,), W the weights of iterative reweighting."""
        weight = self.weight
        if self.cauchy is not None:
            weight = weight / (1 + self.value.square().sum(1) / self.cauchy**2)
        root = weight.sqrt()[:, None]
        J = (root[..., None] * self.jacobian).flatten(0, 1)
        return J.T @ J, J.T @ (root * self.value).flatten()


Problem = Callable[[Tensor], list[Residuals]]


def minimise(
    problem: Problem, x: Tensor, free: Tensor, steps: int, tolerance: float = 1e-5, title: str = ""
) -> Tensor:
    """Levenberg-Marquardt from x (P,), moving only the unknowns where `free` (P,) is True.

    A step that does not lower the cost is taken back and damped more (Nielsen's simple rule,
    factors 3 and 10, on Marquardt's scaled diagonal); stops after `steps` steps, or when one
    lowers the cost by less than `tolerance` of it. Deterministic. Event files hold the costs of
    each step by the title; without one, nothing.
    """
    damping = FIRST_DAMPING
    residuals = problem(x)
    cost = _costs(residuals)
    record_step(title, cost)
    for _ in range(steps):
        H, g = (sum(blocks) for blocks in zip(*(r.normal_equations() for r in residuals)))
        H, g = H[free][:, free], g[free]
        diagonal = H.diagonal().clamp(min=1e-9 * float(H.diagonal().max()) + 1e-30)
        while True:
            step = -torch.linalg.solve(H + torch.diag(damping * diagonal), g)
            candidate = x.clone()
            candidate[free] += step
            residuals = problem(candidate)
            lower = _costs(residuals)
            if lower["total"] < cost["total"] or damping > MOST_DAMPING:
                break
            damping *= 10
        gain = cost["total"] - lower["total"]
        if not gain > 0:
            return x
        x, cost = candidate, lower
        record_step(title, cost)
        damping = max(damping / 3, LEAST_DAMPING)
        if gain < tolerance * cost["total"]:
            break
    return x


def _costs(residuals: Sequence[Residuals]) -> dict[str, float]:
    """The costs of each kind of residuals, and their sum, "total"."""
    costs = [each.cost() for each in residuals]
    named = {"total": sum(costs)}
    for each, cost in zip(residuals, costs):
        named[each.name] = named.get(each.name, 0.0) + cost
    return named
