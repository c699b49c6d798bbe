"""The step that scores candidates anew: by a cross-encoder, or by what a model answered about them."""
