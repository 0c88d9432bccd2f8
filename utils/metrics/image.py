"""A rendering against a photo inside a region: PSNR, SSIM, FLIP and LPIPS, colours aligned or not.

PSNR is -10 log10 of the region's mean squared error on [0, 1]. SSIM (Wang et al. 2004, Gaussian
windows) and FLIP (Andersson et al. 2020, at 67 pixels a degree) are means of their maps over the
region; outside it the rendering is replaced by the photo, so that what lies there costs nothing.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

SSIM_SIGMA = 1.5  # pixels, Wang et al. 2004
SMALLEST_SIDE = 16  # pixels of a crop: windows of SSIM and filters of FLIP must fit in
MARGIN = 40  # pixels around the region: the reach of FLIP's filters
ALEXNET = "alexnet-owt-7be5be79.pth"  # torchvision's weights, on which LPIPS is built
NO_FLIP = "FLIP: package flip-evaluator not on this machine"
NO_LPIPS_PACKAGE = "LPIPS: package not on this machine"
NO_LPIPS_WEIGHTS = "LPIPS: weights not on this machine"

Lpips = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class ColorAlignment:
    """photo ~ gain * rendering + offset, a gain and an offset (3,) a channel."""

    gain: np.ndarray
    offset: np.ndarray

    def apply(self, image: np.ndarray) -> np.ndarray:
        """The aligned image (..., 3), clipped to [0, 1] as a screen would."""
        return np.clip(self.gain * image + self.offset, 0, 1).astype(np.float32)


def align_colors(image: np.ndarray, photo: np.ndarray, region: np.ndarray) -> ColorAlignment:
    """The least-squares alignment of image (H, W, 3) with photo in region (H, W) bool.

    A channel that is constant in the image only gets an offset. Raises ValueError on an empty
    region.
    """
    own, target = image[region].astype(float), photo[region].astype(float)
    if len(own) == 0:
        raise ValueError("colours cannot be aligned in an empty region")
    mean, target_mean = own.mean(0), target.mean(0)
    variance = np.square(own - mean).mean(0)
    covariance = ((own - mean) * (target - target_mean)).mean(0)
    varies = variance > 1e-12
    gain = np.where(varies, covariance / np.where(varies, variance, 1), 1)
    return ColorAlignment(gain, target_mean - gain * mean)


def psnr(image: np.ndarray, photo: np.ndarray, region: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of image against photo (H, W, 3) in region (H, W) bool.

    Infinite where the two are equal, nan where the region is empty.
    """
    if not region.any():
        return float("nan")
    error = np.square(image[region].astype(float) - photo[region]).mean()
    return float(-10 * np.log10(error)) if error > 0 else float("inf")


def ssim_map(image: np.ndarray, photo: np.ndarray) -> np.ndarray:
    """Structural similarity (H, W), mean over channels, of images (H, W, 3) in [0, 1]."""
    from skimage.metrics import structural_similarity

    _, similarity = structural_similarity(
        photo,
        image,
        channel_axis=-1,
        data_range=1.0,
        gaussian_weights=True,
        sigma=SSIM_SIGMA,
        use_sample_covariance=False,
        full=True,
    )
    return similarity.mean(-1)


def flip_map(image: np.ndarray, photo: np.ndarray) -> np.ndarray:
    """FLIP error (H, W) in [0, 1] of sRGB images (H, W, 3) in [0, 1]."""
    import flip_evaluator

    reference, tested = (np.ascontiguousarray(x, np.float32) for x in (photo, image))
    error, _, _ = flip_evaluator.evaluate(
        reference, tested, "LDR", inputsRGB=True, applyMagma=False
    )
    return np.asarray(error)[..., 0]


def flip_available() -> bool:
    """Whether the package flip-evaluator is installed; it has no wheels for some platforms."""
    return importlib.util.find_spec("flip_evaluator") is not None


def load_lpips() -> Lpips | str:
    """LPIPS (Zhang et al. 2018, AlexNet) as a map (H, W), or why it is not to be had.

    Needs the package `lpips` and torchvision's AlexNet weights in torch's cache; nothing is
    downloaded.
    """
    import torch

    try:
        import lpips
    except ImportError:
        return NO_LPIPS_PACKAGE
    if not (Path(torch.hub.get_dir()) / "checkpoints" / ALEXNET).is_file():
        return NO_LPIPS_WEIGHTS
    with warnings.catch_warnings():  # it names weights in a way that torchvision deprecates
        warnings.simplefilter("ignore", UserWarning)
        network = lpips.LPIPS(net="alex", spatial=True, verbose=False).eval()

    def distance(image: np.ndarray, photo: np.ndarray) -> np.ndarray:
        tested, reference = (
            torch.from_numpy(2 * x - 1).movedim(-1, 0)[None].float() for x in (image, photo)
        )
        with torch.no_grad():
            return network(tested, reference)[0, 0].numpy()

    return distance


def image_scores(
    image: np.ndarray, photo: np.ndarray, region: np.ndarray, lpips: Lpips | None = None
) -> dict[str, float | None]:
    """All scores of image against photo (H, W, 3) in region (H, W) bool, not empty.

    psnr, ssim, flip, lpips of the image as it is; the same with `_aligned` after `align_colors`.
    lpips is None without the function for it, flip without its package.
    """
    box = _box(region)
    image, photo, region = image[box], photo[box], region[box]
    aligned = align_colors(image, photo, region).apply(image)
    plain = _scores(image, photo, region, lpips)
    return plain | {f"{k}_aligned": v for k, v in _scores(aligned, photo, region, lpips).items()}


def _scores(
    image: np.ndarray, photo: np.ndarray, region: np.ndarray, lpips: Lpips | None
) -> dict[str, float | None]:
    inserted = np.where(region[..., None], image, photo).astype(np.float32)
    return {
        "psnr": psnr(image, photo, region),
        "ssim": float(ssim_map(inserted, photo)[region].mean()),
        "flip": float(flip_map(inserted, photo)[region].mean()) if flip_available() else None,
        "lpips": float(lpips(inserted, photo)[region].mean()) if lpips else None,
    }


def _box(region: np.ndarray) -> tuple[slice, slice]:
    """The region's bounding box with a margin: the rest of a large photo costs time only."""
    x, y, width, height = cv2.boundingRect(region.astype(np.uint8))
    rows = _span(y, height, region.shape[0])
    return rows, _span(x, width, region.shape[1])


def _span(start: int, length: int, limit: int) -> slice:
    grow = max(MARGIN, (SMALLEST_SIDE - length + 1) // 2)
    return slice(max(start - grow, 0), min(start + length + grow, limit))
