"""One `serve`, several processes: a parent that watches its children, and what they share without speaking.

Plain fork, signals, pipes and shared memory. Not concerned with what any child does: that is given.
"""
