"""Where the suite itself lies; what it ships is found from here."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
