"""What a report has a model asked: texts to expand queries with, and how well passages fit queries.

Plans are made by the steps of `eval/expansion/` and `eval/reranking/`, and answered by the samples step; here is what
can be set, which queries are asked about, and the systems that look the stored answers up.
"""
