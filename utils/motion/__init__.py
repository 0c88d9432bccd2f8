"""Poses of hands over time: files of other programs read, and resampled to a film's frames.

`options` stands apart, without heavy imports, for command lines; `load.load_motion` reads any form.
"""
