"""Agreements: who promised what by when, with the sentence that says so, and what became of it.

`dates` resolves days said in words, `promises` finds the sentences that promise something by a day, `keeping` says what
a promise came to; all three are pure. `scan` is the job around them.
"""
