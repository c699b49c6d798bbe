"""What each query reaches with one trained model, kept so that a learning curve can be drawn of many."""
