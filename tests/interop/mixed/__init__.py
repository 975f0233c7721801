"""A session of three dialects under chance: its members, each a program of its own, and the judge of what they hear.

Whatever is taken has a number. A member hears a part of that one sequence: from the moment at which it can hear to that
at which it is told, or brings about itself, that it does not, everything that is for it, in the order of the numbers.
What it hears of documents is what their authors wrote.
"""
