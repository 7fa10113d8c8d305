"""The theme as Tailwind sees it: utility names for the CSS variables of `assets/theme.css`, which holds the values.

Every colour of the interface is one of these names, so both modes follow from one class on the document.
"""

from __future__ import annotations

from typing import Any

_COLOURS = (
    *("canvas", "surface", "raised", "sunken", "line", "line-strong", "ink", "ink-2", "ink-3"),
    *("accent", "accent-ink", "accent-soft", "on-accent"),
    *("ok", "ok-soft", "warn", "warn-soft", "bad", "bad-soft", "info", "info-soft"),
    *("s1", "s2", "s3", "s4", "s5", "s6"),
)

TAILWIND: dict[str, Any] = {
    "darkMode": "class",
    "theme": {
        "extend": {
            "colors": {name: f"var(--{name})" for name in _COLOURS},
            "fontFamily": {"sans": "var(--font-sans)", "mono": "var(--font-mono)"},
            "boxShadow": {"card": "var(--shadow-card)", "pop": "var(--shadow-pop)"},
            "borderRadius": {"card": "10px"},
            "fontSize": {
                "2xs": ["0.6875rem", {"lineHeight": "1rem"}],
                "xs": ["0.75rem", {"lineHeight": "1.125rem"}],
                "sm": ["0.8125rem", {"lineHeight": "1.25rem"}],
                "base": ["0.875rem", {"lineHeight": "1.375rem"}],
                "lg": ["1rem", {"lineHeight": "1.5rem"}],
                "xl": ["1.1875rem", {"lineHeight": "1.625rem"}],
                "2xl": ["1.5rem", {"lineHeight": "1.875rem"}],
                "3xl": ["1.875rem", {"lineHeight": "2.25rem"}],
            },
        },
    },
    "plugins": [],
}
