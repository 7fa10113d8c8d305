"""A creating request made once: the same `Idempotency-Key` again gets the first answer and creates nothing.

The key is taken in the transaction that creates, so there is no moment at which one exists without the other. Keys
belong to a user, an account scope and a route, and hold for 24 hours. Only what succeeded is kept: a request that was
refused may be made again under its key.
"""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel
from sqlmodel import Session

from models.infra.clock import utcnow
from models.infra.database import transaction
from models.infra.errors import Conflict
from models.infra.ids import AccountScopeId
from models.queries import idempotency as queries
from tools_app.services.views import SessionView

View = TypeVar("View", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class OnceKey:
    """The key that a request came with, the route it is for, and the request's content as one text."""

    key: str
    route: str
    content: str


@dataclass(frozen=True, slots=True)
class Made(Generic[View]):
    """What a request made; `replayed` when an earlier one under the same key had made it."""

    view: View
    replayed: bool = False


def make_once(
    session: SessionView, once: OnceKey | None, view: type[View], work: Callable[[Session], View]
) -> Made[View]:
    """Run `work` in a transaction, or answer with what the same request made before. Without a key: just run it.

    Raises Conflict (`idempotency_key_reused`) when the key was used for another content.
    """
    if once is None:
        with transaction() as db:
            return Made(work(db))
    key = queries.RequestKey(
        AccountScopeId(UUID(session.account_scope_id)),
        session.user,
        once.route,
        once.key,
        sha256(once.content.encode()).hexdigest(),
    )
    with transaction() as db:
        if queries.claim(db, key, utcnow()):
            made = work(db)
            queries.keep_answer(db, key, made.model_dump(mode="json"))
            return Made(made)
        request_hash, answer = queries.kept_answer(db, key)
        if request_hash != key.request_hash:
            raise Conflict(
                "This Idempotency-Key was used for another request.", code="idempotency_key_reused"
            )
        return Made(view.model_validate(answer), replayed=True)
