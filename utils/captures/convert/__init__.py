"""Cameras of a capture written in other programs' forms, one module a form.

Each module's `write` takes what `utils.captures.convert.colmap.write` does. Photos are undistorted
and lie in `OUT/images`.
"""

PHOTOS = "images"  # the folder of the photos beside what is written
