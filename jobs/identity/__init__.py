"""Who is who across the vendors: which records are compared, what speaks for a pair, and the preview of an account scope.

`traits`, `features` and `engine` are pure; `preview` reads and writes. Nothing here is told to a vendor.
"""
