"""What every room stands on: the clock, ids, due rows, state machines, texts, and the design system.

Knows nothing of incidents or paging; imports no other room.
"""
