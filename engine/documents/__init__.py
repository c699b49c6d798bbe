"""The first step: reads a collection of documents in any common form and cuts it into passages.

It is apart from the other steps because it alone knows file formats; they see passages only.
"""
