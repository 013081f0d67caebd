"""A new registry, and a new hospital in it: a sample is profiled, and its mapping drafted.

Belongs here: examining a sample and guessing, each guess with its confidence. Does not belong here: the
mapping language (`mapping.py`), the catalogue, and deciding anything: what is doubtful stays undecided until
a person decides it.
"""
