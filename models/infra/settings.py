"""All configuration of every process, read once from the environment (and `.env`), typed and commented.

This is the only module that touches `os.environ`. Each field is documented in `docs/configuration.md` and listed in
`.env.example`; a test keeps the three complete.
"""

import os
from collections.abc import Generator
from contextlib import contextmanager
from functools import lru_cache
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

AppEnv = Literal["demo", "development", "production", "test"]


class Settings(BaseSettings):
    """The one settings class. Environment names are the field names in upper case."""

    model_config = SettingsConfigDict(
        env_file_encoding="utf-8",
        extra="ignore",
        env_ignore_empty=True,
        frozen=True,
        # A refusal is printed at start and lands in logs: it must not show the values, some of which are secrets.
        hide_input_in_errors=True,
    )

    # --- the process -------------------------------------------------------------------------------------------
    # `production` refuses to start without credentials; `demo` is what `make up` runs; `test` reads no `.env`.
    app_env: AppEnv = "development"
    # The address the web server binds to. Loopback by default: a proxy or a container decides what is public.
    host: str = "127.0.0.1"
    # UI, websocket and API share this port.
    port: int = Field(default=3000, ge=1, le=65535)
    # Embedded servers, the demo's keys and the sandbox state live here.
    data_dir: Path = Path(".data")
    # What browsers call the application; links in texts and the websocket's allowed origin come from it.
    public_url: str = ""
    # Lowest level that is logged: debug, info, warning, error.
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    # Language of a visitor who has not chosen one.
    default_locale: Literal["en", "ru"] = "en"

    # --- databases ---------------------------------------------------------------------------------------------
    # PostgreSQL with pgvector and pg_trgm. Empty with `make up`: the embedded server is used.
    database_url: str = ""
    # Queue and events: must not evict (`noeviction`) and should persist (AOF).
    redis_url: str = ""
    # Cache: bounded memory, LRU eviction, safe to lose.
    cache_redis_url: str = ""
    # A value larger than this, compressed, is computed each time and counted, in bytes.
    cache_value_max_bytes: int = Field(default=262_144, ge=1_024)
    # Connections of one process, and the threads that use them.
    db_pool_size: int = Field(default=8, ge=1, le=100)
    # A statement running longer is cancelled by the server, in milliseconds.
    db_statement_timeout_ms: int = Field(default=15_000, ge=100)

    # --- access ------------------------------------------------------------------------------------------------
    # `name:bcrypt-hash`, or the two fields below it.
    auth_credentials: SecretStr = SecretStr("")
    # Login name, when AUTH_CREDENTIALS is not used.
    auth_username: str = ""
    # bcrypt hash of the password, when AUTH_CREDENTIALS is not used.
    auth_password_hash: SecretStr = SecretStr("")
    # Password of the demo user instead of a generated one; refused in production.
    demo_password: SecretStr = SecretStr("")
    # Fernet keys, comma separated; the first encrypts, all decrypt (rotation).
    secret_keys: SecretStr = SecretStr("")
    # Networks whose X-Forwarded-For is believed, comma separated (`127.0.0.1/32,10.0.0.0/8`).
    trusted_proxies: str = ""
    # Bearer token that opens /metrics to callers outside loopback and private networks.
    metrics_token: SecretStr = SecretStr("")
    # Secure flag of the session cookie; `auto` sets it when PUBLIC_URL is https.
    cookie_secure: Literal["auto", "always", "never"] = "auto"
    # Reads a session may make in a minute; a stream of events counts once, when it is opened.
    rate_limit_get: int = Field(default=100, ge=1)
    # Changes (POST, PUT, PATCH, DELETE) an address may ask for in a minute, with a session or without.
    rate_limit_post: int = Field(default=30, ge=1)
    # Requests an address may make in a minute without a session or key that is live.
    rate_limit_anonymous: int = Field(default=100, ge=1)
    # Requests of every kind an API key may make in a minute.
    rate_limit_key: int = Field(default=120, ge=1)
    # Deliveries that a vendor's address may make in a minute.
    rate_limit_webhook: int = Field(default=600, ge=1)
    # Events that the pages of a session may send over their websockets in a minute.
    rate_limit_events: int = Field(default=300, ge=1)

    # --- models ------------------------------------------------------------------------------------------------
    # `local` needs no network; `openai` is any OpenAI-compatible endpoint.
    embedding_provider: Literal["local", "openai"] = "local"
    # Base URL of the embedding endpoint (`openai` only).
    embedding_base_url: str = ""
    # Its key.
    embedding_api_key: SecretStr = SecretStr("")
    # Its model name.
    embedding_model: str = ""
    # Length of its vectors; a mismatch with stored vectors is an error, never a silent mix.
    embedding_dimension: int = Field(default=384, ge=1, le=4000)
    # OpenAI-compatible chat endpoint that writes answers; empty means extractive answers.
    llm_base_url: str = ""
    # Its key.
    llm_api_key: SecretStr = SecretStr("")
    # Its model name.
    llm_model: str = ""
    # An answer that takes longer falls back to the extractive one, in seconds.
    llm_timeout_s: float = Field(default=20.0, gt=0)
    # A second look at the best candidates by a cross-encoder: off, an endpoint with POST /rerank, or a local model.
    rerank_provider: Literal["none", "remote", "local"] = "none"
    # Base URL of the endpoint (remote).
    rerank_base_url: str = ""
    # Its key.
    rerank_api_key: SecretStr = SecretStr("")
    # Its model name (remote), or the path of a sentence-transformers cross-encoder (local; that package is not shipped).
    rerank_model: str = ""
    # A slower reranker is done without, in seconds.
    rerank_timeout_s: float = Field(default=2.0, gt=0)

    # --- connectors --------------------------------------------------------------------------------------------
    # Timeout of one vendor request, in seconds, from looking up its host to the last byte of the answer; below 8, so that
    # a worker that has to stop does.
    http_timeout_s: float = Field(default=7.0, gt=0, lt=8)
    # Requests to one vendor host under way at the same time, over all processes.
    connector_page_parallelism: int = Field(default=4, ge=1, le=16)
    # Below this completeness a source raises an alert, in percent.
    connector_reconciliation_min_completeness_pct: float = Field(default=95.0, ge=0, le=100)

    # A webhook delivery whose signed time is further away than this is refused, in seconds.
    webhook_replay_window_s: int = Field(default=300, ge=30, le=3600)

    # --- benchmark ---------------------------------------------------------------------------------------------
    # Folder of the data set that `make bench-api` seeds (`shape.py`); it is no part of the product.
    bench_shape: str = ""

    # --- outbound messages -------------------------------------------------------------------------------------
    # How approved messages leave: `smtp`, `file` (a folder below DATA_DIR), `off`; `auto` is `off` in production, else `file`.
    outbound_delivery: Literal["auto", "off", "file", "smtp"] = "auto"
    # The mail server (`smtp` only).
    smtp_host: str = ""
    # Its port: 587 for STARTTLS, 465 for TLS.
    smtp_port: int = Field(default=587, ge=1, le=65535)
    # `starttls` refuses a server without it; `none` is for a relay on the same machine.
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    # Its login; empty means none.
    smtp_username: str = ""
    # Its password.
    smtp_password: SecretStr = SecretStr("")
    # Sender of every message, a plain address.
    smtp_from: str = ""
    # Certificates to trust instead of the system's, a PEM file: for a server with a private authority.
    smtp_ca_file: str = ""
    # Limit of one step of a conversation with the server, in seconds.
    smtp_timeout_s: float = Field(default=15.0, gt=0, le=60)

    # --- sandbox -----------------------------------------------------------------------------------------------
    # First of the three ports of the local vendor servers.
    sandbox_port_base: int = Field(default=3101, ge=1, le=65533)
    # The demo world moves one step every so many seconds; 0 stops it.
    sandbox_tick_s: int = Field(default=300, ge=0)

    @model_validator(mode="after")
    def _smtp_is_complete(self) -> Self:
        if self.outbound_delivery == "smtp":
            if not self.smtp_host or "@" not in self.smtp_from:
                raise ValueError("OUTBOUND_DELIVERY=smtp needs SMTP_HOST and SMTP_FROM (an address)")
            if self.smtp_username and self.smtp_security == "none":
                raise ValueError(
                    "SMTP_USERNAME needs SMTP_SECURITY=starttls or tls: a password is not sent in the clear"
                )
        return self

    @field_validator("trusted_proxies")
    @classmethod
    def _networks_parse(cls, value: str) -> str:
        for part in _split(value):
            ip_network(part, strict=False)
        return value

    @field_validator("public_url")
    @classmethod
    def _no_trailing_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @model_validator(mode="after")
    def _production_is_locked(self) -> Self:
        if self.app_env == "production":
            if not self.credentials():
                raise ValueError(
                    "APP_ENV=production needs AUTH_CREDENTIALS=name:bcrypt-hash (or AUTH_USERNAME and AUTH_PASSWORD_HASH); "
                    "there are no default credentials; `make password` asks for a password and prints the line"
                )
            if self.demo_password.get_secret_value():
                raise ValueError("DEMO_PASSWORD is for the demo; APP_ENV=production refuses it: remove it")
            if not self.secret_keys.get_secret_value():
                raise ValueError("APP_ENV=production needs SECRET_KEYS to encrypt vendor tokens")
        return self

    def credentials(self) -> tuple[str, str] | None:
        """Login name and bcrypt hash, or None when nothing is configured. AUTH_CREDENTIALS wins."""
        joined = self.auth_credentials.get_secret_value()
        if joined:
            name, _, hashed = joined.partition(":")
            if not name or not hashed.startswith("$2"):
                raise ValueError("AUTH_CREDENTIALS must read name:bcrypt-hash")
            return name, hashed
        hashed = self.auth_password_hash.get_secret_value()
        return (self.auth_username, hashed) if self.auth_username and hashed else None

    def origin(self) -> str:
        """The URL browsers use, without a trailing slash."""
        return self.public_url or f"http://127.0.0.1:{self.port}"

    def allowed_origins(self) -> list[str]:
        """Origins whose pages may open the websocket: the public one, and the loopback's two names for this server."""
        return sorted({self.origin(), *(f"http://{host}:{self.port}" for host in ("127.0.0.1", "localhost"))})

    def cookie_is_secure(self) -> bool:
        """Whether the session cookie carries `Secure`."""
        return self.cookie_secure == "always" or (
            self.cookie_secure == "auto" and self.origin().startswith("https:")
        )

    def outbound_via(self) -> Literal["off", "file", "smtp"]:
        """How approved messages leave."""
        if self.outbound_delivery == "auto":
            return "off" if self.app_env == "production" else "file"
        return self.outbound_delivery

    def trusted_networks(self) -> list[str]:
        """Networks of TRUSTED_PROXIES, one string each."""
        return _split(self.trusted_proxies)


class ReviewedSettings(Settings):
    """The same settings without production's refusals: for the preflight, which reports all that is wrong at once."""

    @model_validator(mode="after")
    def _production_is_locked(self) -> Self:
        return self


_override: Settings | None = None


def get_settings() -> Settings:
    """The settings of this process, read once; `override_settings` replaces them in tests."""
    return _override if _override is not None else _load()


@contextmanager
def override_settings(**changes: Any) -> Generator[Settings]:
    """Use the current settings with `changes` (field names) until the block ends. For tests, in all threads."""
    global _override
    before = _override
    # `model_validate` instead of `model_copy`: a wrong value must fail in a test as it does at start.
    _override = _without_environment({**get_settings().model_dump(), **changes})
    try:
        yield _override
    finally:
        _override = before


def reload_settings() -> Settings:
    """Read the environment again, after a parent process or a test changed it."""
    _load.cache_clear()
    return get_settings()


def environment(**changes: str) -> dict[str, str]:
    """This process's environment with `changes`: what a child process is started with (secrets never by argv).

    The demo's password stays behind: its hash is all that a child needs, and an environment is easily read.
    """
    kept = {name: value for name, value in os.environ.items() if name.upper() != "DEMO_PASSWORD"}
    return {**kept, **changes}


def adopt(**variables: str) -> Settings:
    """Put `variables` into this process's environment and read the settings again: for a process that starts others."""
    os.environ.update(variables)
    return reload_settings()


def reviewed_settings() -> ReviewedSettings:
    """The environment's settings to be judged, whatever they are. Raises ValidationError for a value of a wrong kind."""
    return ReviewedSettings(_env_file=_env_file())  # pyright: ignore[reportCallIssue]  # as in `_load`


def _env_file() -> str | None:
    # A developer's `.env` must not leak a real database into a test run.
    return None if os.environ.get("APP_ENV") == "test" else ".env"


@lru_cache(maxsize=1)
def _load() -> Settings:
    return Settings(_env_file=_env_file())  # pyright: ignore[reportCallIssue]  # constructor argument of pydantic-settings


def _without_environment(values: dict[str, Any]) -> Settings:
    # Explicit values beat the environment in pydantic-settings, so a full dump leaves nothing to be read.
    return Settings(_env_file=None, **values)  # pyright: ignore[reportCallIssue]


def _split(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]
