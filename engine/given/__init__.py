"""Examples that a user has: files of pairs, triplets, graded pairs or labelled texts, read into an examples folder."""
