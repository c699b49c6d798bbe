"""Which queries say the same: equal after normalisation, or similar by their character shingles.

The room knows ids and texts only, so that anything with an id and a text can be searched for duplicates.
"""
