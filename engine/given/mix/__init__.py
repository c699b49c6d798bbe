"""Given pairs and generated ones in one examples folder, by weight, for the model step."""
