"""What each held-out and each trained query or pair reaches with one model, kept so that many can be compared."""
