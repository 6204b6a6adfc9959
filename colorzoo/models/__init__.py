"""The families: one file each. The registry imports them when a name is first looked up.

A file whose name starts with an underscore is machinery, not a family.
"""
