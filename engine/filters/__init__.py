"""The filters that judge one sample at a time, and their run over all samples on Ray Data.

They stand below the steps, because two of them ask: curation, and the plan of a judge, which is not asked about what
they reject. A Ray worker imports this room and nothing else of a step.
"""
