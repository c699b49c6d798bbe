"""How much is looked at before a run is in the fingerprint of no step that reads documents or rows."""

import pytest

from engine.runtime.identity import reachable
from engine.storage import listing, looking


@pytest.mark.parametrize("step", ["engine.documents.step", "engine.rows.step", "engine.prompts.step"])
def test_a_figure_of_looking_makes_no_step_run_again(step: str) -> None:
    assert listing.__name__ in reachable(step), "where the figures stood"
    assert looking.__name__ not in reachable(step)
