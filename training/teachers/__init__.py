"""Teachers: what scores several passages for each training query, so that more is learned of it than one passage.

Search finds the candidates and scores them; a model that reads query and passage together, the generator or a judge may
score them again. What training makes of the scores is in `join.py`.
"""
