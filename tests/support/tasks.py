"""A task of three turns, of which the last reads the others and is held to a JSON schema."""

from __future__ import annotations

from engine.task.config import TaskConfig, TurnConfig

SCHEMA = {
    "type": "object",
    "properties": {"stars": {"type": "integer", "minimum": 1}, "tags": {"type": "array"}, "why": {"type": "string"}},
    "required": ["stars"],
}
TASK = TaskConfig(
    name="reviews",
    stop=["\n"],
    turns={
        "persona": TurnConfig("Who?", answer_after="So:"),
        "place": TurnConfig("Where?"),
        "review": TurnConfig(
            "{{ turns.persona.text }} at {{ turns['place'].text }} {{ passage.text }}", json_schema=SCHEMA, max_tokens=9
        ),
    },
)
