"""The step that plans a question about the candidates of every training query."""
