"""`make tick`: asks the running sandbox to move its world one step, and says what happened."""

import sys
import urllib.error
import urllib.request

from models.infra.settings import get_settings

_TIMEOUT_S = 30


def main() -> int:
    """Send the tick; 1 with a message when the sandbox does not run."""
    url = f"http://127.0.0.1:{get_settings().sandbox_port_base}/_sandbox/tick"
    request = urllib.request.Request(url, data=b"", method="POST")  # loopback, made by us
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310
            print(response.read().decode())
    except (urllib.error.URLError, OSError) as error:
        print(f"The sandbox does not answer at {url} ({error}). Is `make up` running?", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
