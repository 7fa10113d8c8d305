"""Compiles requirements*.in into the lock files: every pin with its hashes, no address of where it came from.

Uses `uv` where it is installed, else pip-tools' `pip-compile`.
"""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = (("requirements.in", "requirements.lock"), ("requirements-dev.in", "requirements-dev.lock"))


def compile_command(source: str, target: str) -> list[str] | None:
    """The command that compiles one lock file with the tool at hand, None when there is none."""
    if uv := shutil.which("uv"):
        options = [
            "--universal",
            "--python-version",
            "3.11",
            "--generate-hashes",
            "--no-emit-index-url",
            "--quiet",
        ]
        return [uv, "pip", "compile", *options, source, "--output-file", target]
    if pip_compile := shutil.which("pip-compile"):
        options = [
            "--generate-hashes",
            "--no-emit-index-url",
            "--no-emit-trusted-host",
            "--strip-extras",
            "--quiet",
        ]
        return [pip_compile, *options, source, "--output-file", target]
    return None


def main() -> int:
    """Compile both; 1 with a message when no tool is there or one fails."""
    for source, target in LOCKS:
        command = compile_command(source, target)
        if command is None:
            print("uv or pip-compile is needed: pip install uv", file=sys.stderr)
            return 1
        if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
