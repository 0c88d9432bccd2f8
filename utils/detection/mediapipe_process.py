"""MediaPipe's hand detector as a process of its own, in an environment of its own.

MediaPipe wants NumPy 1 and brings its own OpenCV, so it does not live beside PyTorch: this file is
run by .venv-detect's Python and imports nothing of the suite. It answers a JSON line for each that
it reads: {"image": path, "matrix": 2x3, "size": [w, h], "gamma": g, "hands": n, "confidence": c}
-> {"hands": [{"landmarks": 21x3, "left": p}]}. `matrix` maps the photo's pixels to those of the
window that is looked at; landmarks are MediaPipe's (x and y over the window's width and height,
z in its width, relative to the wrist); p is how likely it is a left hand.
"""

from __future__ import annotations

import functools
import json
import os
import sys

import cv2
import numpy as np

PHOTOS_KEPT = 4  # requests come sorted by photo


@functools.lru_cache(PHOTOS_KEPT)
def read_photo(path: str) -> np.ndarray:
    """RGB (H, W, 3) uint8 as stored: the cameras belong to these pixels, whatever EXIF says."""
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    image = cv2.imdecode(np.fromfile(path, np.uint8), flags)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


@functools.cache
def detector(hands: int, confidence: float):
    """MediaPipe's detector of up to `hands` hands, without any memory of earlier images."""
    import mediapipe

    return mediapipe.solutions.hands.Hands(
        static_image_mode=True, max_num_hands=hands, min_detection_confidence=confidence
    )


def window_of(photo: np.ndarray, matrix: list, size: list[int], gamma: float) -> np.ndarray:
    """The window (h, w, 3) uint8 of the photo; black outside of it."""
    matrix = np.array(matrix)
    shrinks = np.sqrt(abs(np.linalg.det(matrix[:, :2]))) < 0.7
    if shrinks:  # averaged first, so that nothing aliases
        factor = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
        photo = cv2.GaussianBlur(photo, (0, 0), 0.4 / factor)
    window = cv2.warpAffine(photo, matrix, tuple(size), flags=cv2.INTER_LINEAR)
    if gamma != 1:
        table = np.round(255 * (np.arange(256) / 255) ** gamma).astype(np.uint8)
        window = cv2.LUT(window, table)
    return window


def answer(request: dict) -> dict:
    """The hands in one window."""
    photo = read_photo(request["image"])
    window = window_of(photo, request["matrix"], request["size"], request["gamma"])
    detected = detector(request["hands"], request["confidence"]).process(window)
    hands = []
    for marks, sides in zip(detected.multi_hand_landmarks or [], detected.multi_handedness or []):
        side = sides.classification[0]
        # MediaPipe names hands as in a mirror: in a photo, its "Right" is a left hand.
        left = side.score if side.label == "Right" else 1 - side.score
        landmarks = [[point.x, point.y, point.z] for point in marks.landmark]
        hands.append({"landmarks": landmarks, "left": left})
    return {"hands": hands}


def main() -> None:
    """Answer until the input ends. Nothing else may reach the output."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    detector(1, 0.5)
    print(json.dumps({"ready": True}), file=replies, flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), file=replies, flush=True)


if __name__ == "__main__":
    main()
