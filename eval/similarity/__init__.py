"""How well a model tells how much two texts mean the same: correlation with what people said (STS)."""
