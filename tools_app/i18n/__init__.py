"""Interface texts in the reader's language: one catalogue per language, plural rules, formats, the locale of a page."""
