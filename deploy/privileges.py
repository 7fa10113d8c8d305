"""How the embedded Postgres runs when we are root, which it refuses.

Three ways, the first that works wins:
1. an unprivileged user (`nobody`), when that user can reach both the programs and the data directory;
2. a user namespace (`unshare`), in which root is an ordinary user: this reaches directories below a 0700 home too;
3. `nobody` again, with the programs and the data copied to a directory of its own below /var/tmp.
Without root nothing is needed.
"""

import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

_ACCOUNT = "nobody"
_COPIED = Path("programs") / "package"
_COPY_ROOT = Path("/var/tmp")  # noqa: S108  # survives a restart; the directory below is 0700 and ours


@dataclass(frozen=True, slots=True)
class Runner:
    """How a program that refuses root is started: a command prefix, or another user, and where its files are."""

    prefix: tuple[str, ...]
    uid: int | None
    gid: int | None
    programs: Path
    data_dir: Path

    def command(self, program: str, *arguments: str) -> list[str]:
        """The argument list that starts `program` of the installation."""
        return [*self.prefix, str(self.programs / "bin" / program), *arguments]

    def run(
        self, command: Sequence[str], *, timeout_s: float, env: dict[str, str]
    ) -> "subprocess.CompletedProcess[str]":
        """Run to the end as that user, output captured."""
        return subprocess.run(
            list(command),
            user=self.uid,
            group=self.gid,
            extra_groups=None if self.uid is None else [],
            env=env,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def own(self, path: Path) -> None:
        """Give a file or a directory tree to that user."""
        if self.uid is None or self.gid is None:
            return
        os.chown(path, self.uid, self.gid)
        for root, folders, files in os.walk(path):
            for name in (*folders, *files):
                os.chown(Path(root) / name, self.uid, self.gid, follow_symlinks=False)


def choose_runner(programs: Path, data_dir: Path) -> Runner:
    """The runner for `programs` (with `bin/` below) and a data directory, which need not exist yet."""
    programs, data_dir = programs.resolve(), data_dir.resolve()
    if os.geteuid() != 0:
        return Runner((), None, None, programs, data_dir)
    account = pwd.getpwnam(_ACCOUNT)
    owner = data_dir.stat().st_uid if data_dir.exists() else None
    needed = [programs / "bin" / "postgres", data_dir.parent, *_libraries(programs)]
    if owner in (None, account.pw_uid) and all(_reachable(path) for path in needed):
        return Runner((), account.pw_uid, account.pw_gid, programs, data_dir)
    if owner in (None, 0) and namespaces_work():
        prefix = ("unshare", "--user", f"--map-user={account.pw_uid}", f"--map-group={account.pw_gid}")
        return Runner(prefix, None, None, programs, data_dir)
    copy = copy_location(data_dir)
    _copy_programs(programs, copy)
    return Runner((), account.pw_uid, account.pw_gid, copy / _COPIED / programs.name, copy / "data")


def copy_location(data_dir: Path) -> Path:
    """Where the third way keeps its copy; `make reset` removes it."""
    return _COPY_ROOT / f"control-tower-{sha256(str(data_dir.resolve()).encode()).hexdigest()[:12]}"


@lru_cache(maxsize=1)
def namespaces_work() -> bool:
    """Whether this machine lets us make a user namespace (containers often do not)."""
    if shutil.which("unshare") is None:
        return False
    probe = ["unshare", "--user", "--map-user=65534", "--map-group=65534", "true"]
    return subprocess.run(probe, capture_output=True, timeout=10, check=False).returncode == 0


def _reachable(path: Path) -> bool:
    # The others' bits decide: the account owns nothing here and is in no group of ours.
    for part in (path, *path.parents):
        if part.exists() and not part.stat().st_mode & stat.S_IXOTH:
            return False
    return True


def _libraries(programs: Path) -> list[Path]:
    # The wheel keeps shared libraries beside its package, and the programs look for them by relative path.
    return sorted(programs.parent.parent.glob(f"{programs.parent.name}.libs"))


def _copy_programs(programs: Path, copy: Path) -> None:
    account = pwd.getpwnam(_ACCOUNT)
    copy.mkdir(mode=0o755, exist_ok=True)
    if copy.stat().st_uid != 0 or copy.is_symlink():
        raise PermissionError(f"{copy} belongs to somebody else; remove it and run again")
    target = copy / "programs"
    if not target.exists():
        part = copy / "programs.part"
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(programs, part / "package" / programs.name, symlinks=True)
        for libraries in _libraries(programs):
            shutil.copytree(libraries, part / libraries.name, symlinks=True)
        part.rename(target)
    data_parent = copy / "data"
    if not data_parent.exists():
        data_parent.mkdir(mode=0o700)
        os.chown(data_parent, account.pw_uid, account.pw_gid)
