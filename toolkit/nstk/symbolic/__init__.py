"""A program's text as formulas: what its outputs are in terms of its inputs, simplified for the domain at hand.

Nothing is run: the text is parsed, helpers and constants are put in, branches that the domain rules out are dropped,
and many ways to write one computation become one.
"""
