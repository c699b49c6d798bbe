"""Curation that begins while samples are generated: what one sample or the documents decide, in processes beside it."""
