"""Examples in, a tuned encoder out: Ray Train runs it, Ray Data feeds it, sentence-transformers does the arithmetic."""
