"""How long chunks should be: the same queries on the same documents, cut into passages of several sizes."""
