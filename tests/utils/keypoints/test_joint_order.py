import numpy as np

from utils.keypoints.order import (
    JOINT_KEYPOINTS,
    JOINT_NAMES,
    JOINT_PARENTS,
    KEYPOINT_NAMES,
    KEYPOINT_ROWS,
    TIP_KEYPOINTS,
)


def test_keypoint_rows_are_those_written_out():
    """MANO joints 1-3 index, 4-6 middle, 7-9 pinky, 10-12 ring, 13-15 thumb; 16-20 tips."""
    assert KEYPOINT_ROWS[0] == 0
    fingers = [KEYPOINT_ROWS[k : k + 4] for k in range(1, 21, 4)]
    assert fingers == [
        (13, 14, 15, 16),
        (1, 2, 3, 17),
        (4, 5, 6, 18),
        (10, 11, 12, 19),
        (7, 8, 9, 20),
    ]


def test_tables_are_inverse_to_each_other():
    rows = np.array(KEYPOINT_ROWS)
    np.testing.assert_array_equal(rows[list(JOINT_KEYPOINTS)], np.arange(16))
    np.testing.assert_array_equal(rows[list(TIP_KEYPOINTS)], np.arange(16, 21))
    assert sorted(KEYPOINT_ROWS) == list(range(21))


def test_parents_stay_within_a_finger():
    for name, parent in zip(JOINT_NAMES[1:], JOINT_PARENTS[1:]):
        assert parent == 0 or JOINT_NAMES[parent][:-1] == name[:-1]
    assert len(KEYPOINT_NAMES) == 21 and len(JOINT_NAMES) == 16
