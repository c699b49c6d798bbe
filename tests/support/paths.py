"""Where things lie: the checkout, and the collections that are shared beside it and never in it."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHARED_DATA = ROOT.parent / "shared" / "data"
CRASH_POINTS = ROOT / "tests" / "support" / "crash_points"
