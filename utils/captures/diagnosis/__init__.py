"""What is wrong with a capture as a whole: the usual suspects, tried one after another."""

from utils.captures.diagnosis.diagnose import Diagnosis, diagnose
from utils.captures.diagnosis.understanding import Understanding, understand

__all__ = ["Diagnosis", "Understanding", "diagnose", "understand"]
