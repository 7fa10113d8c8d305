"""`make password`: asks for a name and twice for a password, without echo, and prints the AUTH_CREDENTIALS line.

The line is quoted for `.env`, for compose and for a shell alike: in single quotes none of them touches the hash's `$`.
The password is nowhere but in this process' memory; the line alone goes to standard output.
"""

import getpass
import sys

from models.infra.errors import InvalidInput
from tools_app.services.passwords import check_new_password, check_username, hash_password

_TRIES = 5
_NOTE = (
    "Put this line into .env (docker compose and `make up` read it), or export it. In the `environment:` part of a "
    "compose file write every $ of the hash twice."
)


def main() -> int:
    """0 when the line was printed, 1 when no password was set."""
    try:
        name = _ask_name()
        for _ in range(_TRIES):
            password = getpass.getpass("Password (at least 12 characters): ")
            try:
                check_new_password(password, name)
            except InvalidInput as fault:
                _say(fault.message)
                continue
            if getpass.getpass("The same again: ") != password:
                _say("These were two different passwords.")
                continue
            print(credentials_line(name, password))
            _say(_NOTE)
            return 0
    except (EOFError, KeyboardInterrupt, InvalidInput) as fault:
        _say(f"\n{fault}" if isinstance(fault, InvalidInput) else "")
    _say("No password was set.")
    return 1


def credentials_line(name: str, password: str) -> str:
    """The line for `.env`. Raises InvalidInput for a name or password that may not be set."""
    check_username(name)
    return f"AUTH_CREDENTIALS='{name}:{hash_password(password, name)}'"


def _ask_name() -> str:
    _say("Login name [owner]: ", end="")
    name = sys.stdin.readline().strip() or "owner"
    check_username(name)
    return name


def _say(text: str, end: str = "\n") -> None:
    print(text, end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
