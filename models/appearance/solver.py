"""Albedo, light, highlights and gain of a mesh in closed form, by alternation."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor

from models.appearance.light import Highlights, lobe_responses, radiance, sh_basis
from models.appearance.model import Appearance
from utils.parallel import together

ROUNDS = 12  # of the alternation; light on one side of a hand takes ten to settle
ROUNDS_AGAIN = 3  # of one that starts nearly right
HUBER_RGB = 0.03  # residuals beyond this weigh less: cast shadows, other things
MIN_RADIANCE = 0.05
MIN_GAIN = 0.05  # a black photo, or one without a channel, must not divide by zero
RIDGE = 1e-3  # share of the mean diagonal added to the shared light's normal equations
SHARED_LIGHT = 1.0  # share of the mean diagonal that draws a view's light to the shared one
SATURATED, SATURATED_WEIGHT = 0.985, 0.1  # a sample this bright says little of how bright it is
MOST_CHANGES = 30  # of what is zero, a highlight's lobe; a few do
SAMPLED = 3000  # vertices that light and gain are solved on: no less accurate, and quick


@dataclass(frozen=True)
class Samples:
    """What the views saw of a mesh's vertices.

    colors (views, V, 3) and weights (views, V) as `vertex_samples` gives them;
    normals (V, 3); towards (views, V, 3) unit vectors to the cameras, needed for highlights.
    """

    colors: Tensor
    weights: Tensor
    normals: Tensor
    towards: Tensor | None = None

    @property
    def step(self) -> int:
        """Of so many vertices, `few` has one."""
        return max(len(self.normals) // SAMPLED, 1)

    def few(self) -> Samples:
        """About SAMPLED of the vertices, evenly spread over their order."""
        step = self.step
        towards = None if self.towards is None else self.towards[:, ::step]
        return Samples(
            self.colors[:, ::step], self.weights[:, ::step], self.normals[::step], towards
        )

    def unsaturated(self) -> Samples:
        """The same with less weight on samples near white."""
        dimmed = torch.where(self.colors.amax(-1) > SATURATED, SATURATED_WEIGHT, 1.0)
        return replace(self, weights=self.weights * dimmed)


def solve_appearance(
    samples: Samples, degree: int, highlight_support: float = np.inf
) -> Appearance:
    """Albedo, light, gain and, where the photos ask for them, highlights.

    Lamps stand still in the world, so one light and its highlights are shared by all views, and
    each view's own light is drawn to it: what a view doesn't see of the hands' normals says
    nothing about its light. Each factor is linear given the others; robust weights (Huber) are
    renewed in every round. Highlights are kept where they take at least the share
    `highlight_support` of the mean residual; inf: never. Vertices that no view sees get the mean
    albedo.
    """
    samples = samples.unsaturated()
    few = samples.few()
    best = _Alternation(few, degree, shiny=False)
    if samples.towards is None or not np.isfinite(highlight_support):
        best.run()
    else:
        shiny = _Alternation(few, degree, shiny=True)
        together(best.run, shiny.run)
        if shiny.residual() <= (1 - highlight_support) * best.residual():
            best = shiny
    return _adopting(samples, best.state).state


def solve_again(samples: Samples, start: Appearance) -> Appearance:
    """The same from an appearance of these views that is nearly right, in a few rounds.

    Whether there are highlights is taken from it.
    """
    samples = samples.unsaturated()
    again = _adopting(samples.few(), start)
    again.run(ROUNDS_AGAIN)
    return _adopting(samples, again.state).state


def _adopting(samples: Samples, lit: Appearance) -> _Alternation:
    """With the light, gain and highlights of an appearance, and the albedo that goes with them."""
    whole = _Alternation(samples, lit.degree, lit.lobes is not None)
    whole.adopt(lit)
    return whole


class _Alternation:
    """Factors solved in turn, with robust weights on the samples."""

    def __init__(self, samples: Samples, degree: int, shiny: bool):
        self.samples, self.shiny = samples, shiny
        self.basis = sh_basis(samples.normals, degree)
        colors, weights = samples.colors, samples.weights
        mean = (colors * weights[..., None]).sum((0, 1)) / weights.sum().clamp(min=1e-8)
        self.state = Appearance(
            mean.expand_as(samples.normals).clone(),
            colors.new_zeros(len(colors), self.basis.shape[1]),
            colors.new_ones(len(colors), 3),
        )
        self.seen = weights.sum(0) > 1e-3
        self.robust, self.shine = weights, torch.zeros_like(colors)

    def run(self, rounds: int = ROUNDS) -> None:
        """Solve for everything."""
        responses = self._responses() if self.shiny else None
        for _ in range(rounds):
            shared, amounts = self._solve_shared(responses)
            if responses is not None:
                self.state.lobes = amounts[:, None].repeat(1, 3)
                self.shine = responses @ self.state.lobes
            self.state.sh_coeff = self._solve_light(shared)
            self.state.gain = self._solve_gain()
            self._solve_albedo()
            self.state.normalise_()
        if responses is not None:  # in the colour that normalising gave them
            self.shine = responses @ self.state.lobes

    def adopt(self, solved: Appearance) -> None:
        """Take light, gain and highlights as they are and solve for the albedo alone."""
        self.state = replace(solved, albedo=self.state.albedo)
        if self.shiny:
            self.shine = Highlights(solved.lobes)(self.samples.normals, self.samples.towards)
        for _ in range(3):
            self._solve_albedo()

    def residual(self) -> float:
        """Mean absolute colour error over the samples."""
        weights = self.samples.weights
        return float((self._errors() * weights).sum() / weights.sum().clamp(min=1e-8))

    def _responses(self) -> Tensor:
        """What each lobe adds to every vertex in every view: (views, V, LOBES)."""
        towards = self.samples.towards
        return torch.stack([lobe_responses(self.samples.normals, view) for view in towards])

    def _errors(self) -> Tensor:
        predicted = self.state.vertex_colors(self.samples.normals, self.shine)
        return (predicted.clamp(max=1) - self.samples.colors).abs().mean(-1)

    def _diffuse(self) -> Tensor:
        return self.samples.colors - self.shine * self.state.gain[:, None]

    def _shade(self) -> Tensor:
        return radiance(self.state.sh_coeff, self.basis).clamp(min=MIN_RADIANCE)[..., None]

    def _solve_shared(self, responses: Tensor | None) -> tuple[Tensor, Tensor]:
        """The light that all views share (n,) and its highlights' amounts, never negative."""
        normal, rhs = self._shared_equations(responses)
        ridge = np.full(len(rhs), RIDGE * normal.diagonal().mean())
        ridge[0] *= 1e-3
        size = self.basis.shape[1]
        solution = partly_nonnegative(normal + np.diag(ridge + 1e-8), rhs, size)
        light, amounts = torch.from_numpy(solution).to(self.basis).tensor_split([size])
        return light, amounts

    def _shared_equations(self, responses: Tensor | None) -> tuple[np.ndarray, np.ndarray]:
        """Normal equations (m, m) and right-hand side (m,) of the shared light and highlights.

        The columns of channel c in a view of gain g are g_c (a_c basis, responses) with albedo a,
        so that the channels' sums are taken before the products.
        """
        basis, albedo, weights = self.basis, self.state.albedo, self.robust
        squared = self.state.gain.square()  # (views, 3)
        seen = self.samples.colors * self.state.gain[:, None]
        lit = (weights * (squared @ albedo.square().T)).sum(0)
        normal = (basis * lit[:, None]).T @ basis
        rhs = basis.T @ (weights * (albedo * seen).sum(-1)).sum(0)
        if responses is not None:
            weighted = responses * (weights * squared.sum(-1)[:, None])[..., None]
            alone = (weighted.mT @ responses).sum(0)
            # Their products with the light's columns and with the colours, in one.
            others = torch.cat([basis * (squared @ albedo.T)[..., None], seen.sum(-1, True)], -1)
            others = (others / squared.sum(-1)[:, None, None]).flatten(0, 1)
            mixed, right = (others.T @ weighted.flatten(0, 1)).tensor_split(basis.shape[1:])
            normal = torch.cat([torch.cat([normal, mixed], 1), torch.cat([mixed.T, alone], 1)])
            rhs = torch.cat([rhs, right[0]])
        return normal.double().cpu().numpy(), rhs.double().cpu().numpy()

    def _solve_light(self, shared: Tensor) -> Tensor:
        """Each view's light (views, n), drawn to the shared one (n,)."""
        basis, tinted = self.basis, self.state.albedo * self.state.gain[:, None]  # (views, V, 3)
        return lights_of_views(basis, tinted, self.robust, self._diffuse(), shared, SHARED_LIGHT)

    def _solve_gain(self) -> Tensor:
        plain = self.state.albedo * self._shade() + self.shine
        weight = self.robust[..., None]
        below = (weight * plain.square()).sum(1)
        gain = (weight * plain * self.samples.colors).sum(1) / below.clamp(min=1e-8)
        return torch.where(below > 1e-8, gain.clamp(min=MIN_GAIN), torch.ones_like(gain))

    def _solve_albedo(self) -> None:
        factor, weight = self._shade() * self.state.gain[:, None], self.robust[..., None]
        below = (weight * factor.square()).sum(0).clamp(min=1e-8)
        albedo = ((weight * factor * self._diffuse()).sum(0) / below).clamp(0, 1)
        albedo[~self.seen] = albedo[self.seen].mean(0) if self.seen.any() else 0.5
        self.state.albedo = albedo
        self.robust = self.samples.weights * huber_weights(self._errors())


def partly_nonnegative(normal: np.ndarray, rhs: np.ndarray, free: int) -> np.ndarray:
    """x (m,) that minimises x.N x / 2 - rhs.x for a positive definite N (m, m), x[free:] >= 0.

    What is free is eliminated (Schur's complement); the rest is by Lawson and Hanson (1974).
    """
    corner, beside = normal[:free, :free], normal[:free, free:]
    solved = np.linalg.solve(corner, np.c_[beside, rhs[:free]])
    bound = np.zeros(len(rhs) - free)
    if len(bound):
        factor = np.linalg.cholesky(normal[free:, free:] - beside.T @ solved[:, :-1])
        right = np.linalg.solve(factor, rhs[free:] - beside.T @ solved[:, -1])
        bound, _ = nnls(factor.T, right, maxiter=MOST_CHANGES * len(bound))
    return np.r_[solved[:, -1] - solved[:, :-1] @ bound, bound]


def huber_weights(errors: Tensor) -> Tensor:
    """1 up to HUBER_RGB, and less for larger errors."""
    return HUBER_RGB / errors.clamp(min=HUBER_RGB)


def lights_of_views(
    basis: Tensor, tinted: Tensor, weights: Tensor, diffuse: Tensor, drawn_to: Tensor, share: float
) -> Tensor:
    """Each view's light (views, n), least squares, drawn to that of `drawn_to`, (n,) or (views, n).

    basis (V, n); tinted (views, V, 3): albedo times gain; diffuse (views, V, 3): colours without
    highlights; weights (views, V); share: of the mean diagonal that draws.
    """
    squared = weights * tinted.square().sum(-1)
    products = (basis[:, :, None] * basis[:, None]).flatten(1)  # (V, n n)
    normal = (squared @ products).unflatten(1, basis.shape[1:] * 2)
    rhs = (weights * (tinted * diffuse).sum(-1)) @ basis
    size = normal.diagonal(dim1=1, dim2=2).mean(1)
    pull = (share * size[:, None] + 1e-8).expand_as(rhs)  # without samples: what it is drawn to
    return torch.linalg.solve(normal + torch.diag_embed(pull), rhs + pull * drawn_to)
