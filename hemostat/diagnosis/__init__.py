"""Root cause: the exception tree of a window, the four rules, and one sentence that explains the answer."""
