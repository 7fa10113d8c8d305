"""An empty section: why it is empty, two or three steps, one action. And the skeleton of lines to come."""

from __future__ import annotations

import reflex as rx

from tools_app.components.elements import icon


def empty_state(
    icon_name: str,
    title: rx.Var[str],
    reason: rx.Var[str],
    steps: list[rx.Var[str]],
    action: rx.Component | None = None,
) -> rx.Component:
    """Draw an empty section."""
    return rx.el.div(
        rx.el.div(
            icon(icon_name, 20),
            class_name="flex size-11 items-center justify-center rounded-full bg-sunken text-ink-2",
        ),
        rx.el.h2(title, class_name="text-lg font-semibold text-ink"),
        rx.el.p(reason, class_name="max-w-md text-base text-ink-2"),
        rx.el.ol(
            *[
                rx.el.li(
                    rx.el.span(
                        str(number),
                        class_name="tabular flex size-5 shrink-0 items-center justify-center rounded-full bg-sunken text-2xs font-semibold text-ink-2",
                    ),
                    step,
                    class_name="flex gap-2.5 text-start text-sm text-ink-2",
                )
                for number, step in enumerate(steps, 1)
            ],
            class_name="mt-2 space-y-2",
        ),
        action if action is not None else rx.fragment(),
        class_name="flex flex-col items-center gap-2.5 px-4 py-12 text-center",
    )


def lines_skeleton(count: int = 4) -> rx.Component:
    """The room of a list that is being loaded."""
    return rx.el.div(
        *[
            rx.el.div(
                rx.el.div(class_name="skeleton h-4 w-2/5"),
                rx.el.div(class_name="skeleton h-3 w-4/5"),
                class_name="space-y-2 py-3",
            )
            for _ in range(count)
        ],
        class_name="divide-y divide-line",
        aria_hidden="true",
    )
