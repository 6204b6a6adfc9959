"""The models, one file per family. The registry imports them when a name is first looked up.

Files whose names start with an underscore are shared code, not models.
"""
