"""The one table of joint orders: MediaPipe's 21 keypoints <-> MANO's 16 joints and 5 fingertips.

MANO's joints: wrist, then index, middle, pinky, ring, thumb, three each from the root outwards.
MediaPipe's keypoints: wrist, then thumb, index, middle, ring, pinky, four each, root to tip.
"""

N_JOINTS = 16

FINGER_NAMES = ("thumb", "index", "middle", "ring", "pinky")
MANO_FINGERS = ("index", "middle", "pinky", "ring", "thumb")

JOINT_NAMES = ("wrist", *(f"{finger}{k}" for finger in MANO_FINGERS for k in (1, 2, 3)))
KEYPOINT_NAMES = ("wrist", *(f"{finger}{k}" for finger in FINGER_NAMES for k in (1, 2, 3, "_tip")))

JOINT_PARENTS = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14)  # -1: none

# Row of [16 joints, 5 tips in FINGER_NAMES order] for each keypoint, and the keypoint of each row.
KEYPOINT_ROWS = tuple(
    N_JOINTS + FINGER_NAMES.index(name[:-4]) if name.endswith("_tip") else JOINT_NAMES.index(name)
    for name in KEYPOINT_NAMES
)
JOINT_KEYPOINTS = tuple(KEYPOINT_NAMES.index(name) for name in JOINT_NAMES)
TIP_KEYPOINTS = tuple(KEYPOINT_NAMES.index(f"{finger}_tip") for finger in FINGER_NAMES)
