"""Which pixels are the mask, in all forms that masks are stored in."""

import numpy as np
import pytest

from utils.io.mask_values import MaskForm, mask_of

MASK = np.zeros((20, 30), bool)
MASK[5:15, 5:20] = True
WHITE = np.full((20, 30, 3), 255, np.uint8)
PHOTO = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)


def with_alpha(colors, alpha):
    return np.dstack([colors, alpha])


@pytest.mark.parametrize(
    "pixels, form",
    [
        (MASK * np.uint8(255), MaskForm.WHITE),
        (MASK * np.uint16(65535), MaskForm.WHITE),
        (np.dstack([MASK * np.uint8(200)] * 3), MaskForm.WHITE),
        (MASK * np.uint8(1), MaskForm.LABELS),
        (MASK * np.uint16(255), MaskForm.LABELS),
        (MASK * np.uint8(1) + (MASK & (np.arange(30) > 9)), MaskForm.LABELS),  # 0, 1, 2
        (MASK.astype(np.uint8) + 1, MaskForm.LABELS),  # 1, 2
        (with_alpha(WHITE, MASK * np.uint8(255)), MaskForm.ALPHA),
        (with_alpha(0 * WHITE, MASK * np.uint8(255)), MaskForm.ALPHA),
        (with_alpha(PHOTO, MASK * np.uint8(255)), MaskForm.ALPHA),  # a cut-out photo
        (with_alpha(WHITE[..., 0], MASK * np.uint8(255)), MaskForm.ALPHA),
        (
            with_alpha(np.dstack([MASK * np.uint8(255)] * 3), WHITE[..., 0]),
            MaskForm.WHITE,
        ),
    ],
)
def test_all_forms_of_one_mask(pixels, form):
    mask, found = mask_of(pixels)
    assert found is form
    np.testing.assert_array_equal(mask, MASK)


def test_masks_of_nothing():
    assert not mask_of(np.zeros((4, 5), np.uint8))[0].any()
    grey = np.arange(100, dtype=np.uint8).reshape(10, 10)
    mask, form = mask_of(grey)
    assert form is MaskForm.DARK and not mask.any()
