"""Signals and next best actions: what the records of a project tell by themselves, with the words that tell it.

`cues` is the declared table of words, `messages` reads a message by it, `states` reads issues, conversations and deals by
the clock, `actions` says what follows from a signal; all four are pure. `scan` is the job around them.
"""
