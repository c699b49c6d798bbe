"""What generated queries are like, in plain figures of texts, conditions and vectors, beside real queries if any."""
