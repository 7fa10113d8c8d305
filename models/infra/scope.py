"""Who may see what: every read of business data takes a `Scope`. One project is a set of one."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from models.infra.ids import AccountScopeId, ProjectId


@dataclass(frozen=True, slots=True)
class Scope:
    """An account scope and the projects of it that a read may touch. An empty set sees nothing."""

    account_scope_id: AccountScopeId
    project_ids: tuple[ProjectId, ...]

    def __post_init__(self) -> None:
        # Sorted and unique, so that equal sets are equal scopes, equal cache keys and equal query runs.
        object.__setattr__(self, "project_ids", tuple(sorted(set(self.project_ids))))

    @classmethod
    def of(cls, account_scope_id: AccountScopeId, project_ids: Iterable[ProjectId]) -> "Scope":
        """The scope of any iterable of projects."""
        return cls(account_scope_id, tuple(project_ids))

    def key(self) -> str:
        """A short, stable name of the set for cache keys: 16 hex digits."""
        text = "|".join(str(part) for part in (self.account_scope_id, *self.project_ids))
        return sha256(text.encode()).hexdigest()[:16]

    def contains(self, project_id: ProjectId) -> bool:
        """Whether `project_id` is one of the projects."""
        return project_id in self.project_ids
