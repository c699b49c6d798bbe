"""How well a classifier names the labels of texts, how sure it is, and what plain baselines reach."""
