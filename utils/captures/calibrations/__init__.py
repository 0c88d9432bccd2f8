"""Calibrations of rigs as other programs write them, one module a format.

Each module holds a `FORMAT`, a `CalibrationFormat` (utils/captures/calibrations/format.py) whose
`read` gives cameras in the suite's conventions.
"""
