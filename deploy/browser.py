"""Makes sure a Chromium is there for the browser tests: by apt where we are root, otherwise a clear message.

Standard library only, like `bootstrap`. Debian's own browser is used: the test tool's would be another download.
"""

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome")
_APT_S = 600


def find_browser() -> str | None:
    """The path of a Chromium-like browser on PATH, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def main() -> int:
    """Install one if there is none; 0 when there is one in the end, 1 with a message."""
    if find_browser():
        return 0
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        print(
            "The browser tests need Chromium and there is none on PATH.\n"
            "Install it (Debian and Ubuntu: sudo apt-get install chromium) and run again.",
            file=sys.stderr,
        )
        return 1
    print("  browser        installing chromium by apt", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"],
    ):
        done = subprocess.run(
            command, env=environment, timeout=_APT_S, stdout=subprocess.DEVNULL, check=False
        )
        if done.returncode != 0:
            print(f"{' '.join(command)} failed with {done.returncode}", file=sys.stderr)
            return 1
    return 0 if find_browser() else 1


if __name__ == "__main__":
    sys.exit(main())
