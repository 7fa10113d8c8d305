"""The app object: pages, API and lifespan tasks, nothing else."""

import reflex as rx


def index() -> rx.Component:
    """The front page."""
    return rx.el.main(rx.el.h1("Control Tower"))


app = rx.App()
app.add_page(index, route="/")
