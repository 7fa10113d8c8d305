"""`make preflight`: everything right is let through, each thing that is wrong stops production and says what to do."""

from pathlib import Path

import bcrypt
import pytest

from deploy import preflight
from deploy.preflight_compose import check_compose
from models.infra.crypto import generate_key

GOOD_HASH = bcrypt.hashpw(b"purple teapot above ninth lake", bcrypt.gensalt(10)).decode()
KEY = generate_key()
RIGHT = {
    "APP_ENV": "production",
    "AUTH_CREDENTIALS": f"owner:{GOOD_HASH}",
    "SECRET_KEYS": KEY,
    "PUBLIC_URL": "https://tower.example",
    "TRUSTED_PROXIES": "10.0.0.0/8",
    "DATABASE_URL": "postgresql://tower:hush-database@db/tower",
    "REDIS_URL": "redis://queue/0",
    "CACHE_REDIS_URL": "redis://cache/0",
}
COMPOSE = """
x-limits: &limits {deploy: {resources: {limits: {cpus: "1", memory: 512M}}}}
services:
  web: {build: ., healthcheck: {test: [CMD, python, -m, x, "http://127.0.0.1:3000/health"]}, <<: *limits}
  worker: {build: ., healthcheck: {test: python -m jobs.heartbeat}, <<: *limits}
  migrate: {build: ., restart: "no", <<: *limits}
  db: {image: "pgvector/pgvector:pg18", user: "999:999", healthcheck: {test: pg_isready}, <<: *limits}
  queue: {image: "valkey/valkey:9", user: valkey, healthcheck: {test: valkey-cli ping}, cpus: 1, mem_limit: 256m}
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a right compose file, and an environment that is right."""
    monkeypatch.chdir(tmp_path)
    for name, value in RIGHT.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "docker-compose.yml").write_text(COMPOSE)
    (tmp_path / "Dockerfile").write_text("FROM x\nUSER root\nRUN y\nUSER tower\n")
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = preflight.main(list(arguments))
    return code, capsys.readouterr().out


def test_a_right_configuration_is_let_through(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = told(capsys)
    assert (code, "STOP" in text) == (0, False), text
    assert {line.split()[1] for line in text.splitlines() if line.startswith("ok")} == {
        "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7",
    }  # fmt: skip


# One salt for all: a test's name holds the hash, and both test processes must give it the same one.
SALT = b"$2b$04$abcdefghijklmnopqrstuu"


@pytest.mark.parametrize(
    ("item", "name", "value", "advice"),
    [
        ("0.1", "APP_ENV", "development", "APP_ENV=production"),
        ("0.1", "AUTH_CREDENTIALS", "", "make password"),
        ("0.1", "AUTH_CREDENTIALS", "owner:plaintext", "make password"),
        ("0.1", "DEMO_PASSWORD", "hush-demo", "remove DEMO_PASSWORD"),
        ("0.1", "SECRET_KEYS", "", "SECRET_KEYS"),
        ("0.1", "SECRET_KEYS", "hush-no-key", "SECRET_KEYS"),
        ("0.1", "DATABASE_URL", "", "DATABASE_URL"),
        ("0.1", "DB_POOL_SIZE", "many", "DB_POOL_SIZE"),
        ("0.2", "AUTH_CREDENTIALS", "owner:$2b$notahash", "make password"),
        (
            "0.2",
            "AUTH_CREDENTIALS",
            "owner:" + bcrypt.hashpw(b"x", SALT).decode(),
            "guessed fast",
        ),
        (
            "0.2",
            "AUTH_CREDENTIALS",
            "owner:" + bcrypt.hashpw(b"owner", SALT).decode(),
            "first guesses",
        ),
        ("0.2", "PUBLIC_URL", "http://tower.example", "https"),
        ("0.2", "COOKIE_SECURE", "never", "COOKIE_SECURE"),
        ("0.5", "RATE_LIMIT_POST", "100000", "limits nobody"),
        ("0.5", "TRUSTED_PROXIES", "", "TRUSTED_PROXIES"),
    ],
)
def test_what_is_wrong_in_the_settings_stops_production_and_says_what_to_do(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    item: str,
    name: str,
    value: str,
    advice: str,
) -> None:
    monkeypatch.setenv(name, value)
    code, text = told(capsys)
    assert code == 1
    assert any(line.startswith(f"STOP  {item}") and advice in line for line in text.splitlines()), text
    for secret in ("hush", KEY, GOOD_HASH, "plaintext"):
        assert secret not in text


@pytest.mark.parametrize(
    ("item", "old", "new", "advice"),
    [
        ("0.3", 'user: "999:999", ', "", "db runs as root"),
        ("0.3", "user: valkey", 'user: "0:0"', "queue runs as root"),
        ("0.4", 'user: "999:999"', 'user: "999", ports: ["5432:5432"]', "remove `ports:`"),
        ("0.6", "cpus: 1, mem_limit: 256m", "cpus: 1", "no limit of memory"),
        ("0.7", ", healthcheck: {test: python -m jobs.heartbeat}", "", "worker has no healthcheck"),
        ("0.7", "3000/health", "3000/ping", "/health"),
    ],
)
def test_what_is_wrong_in_the_compose_file_stops_production(
    place: Path, capsys: pytest.CaptureFixture[str], item: str, old: str, new: str, advice: str
) -> None:
    assert old in COMPOSE
    (place / "docker-compose.yml").write_text(COMPOSE.replace(old, new))
    code, text = told(capsys)
    assert code == 1
    assert any(line.startswith(f"STOP  {item}") and advice in line for line in text.splitlines()), text


def test_an_image_of_ours_that_ends_as_root_is_found(place: Path) -> None:
    (place / "Dockerfile").write_text("FROM x\n")
    assert ("0.3", False, "web runs as root: give it a `user:`") in list(
        check_compose(place / "docker-compose.yml")
    )


def test_without_a_compose_file_one_has_to_say_so(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "docker-compose.yml").unlink()
    assert told(capsys)[0] == 1
    assert told(capsys, "--no-compose")[0] == 0
    assert told(capsys, "--nonsense")[0] == 1


@pytest.mark.parametrize("text", ["", "services: [", "services: {}"])
def test_a_compose_file_that_says_nothing_stops_production(
    place: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    (place / "docker-compose.yml").write_text(text)
    assert told(capsys)[0] == 1
