"""Bodies that all endpoints share: answers carry the request id, lists carry their cursor, input is closed."""

from typing import Any, Generic, TypeVar

import orjson
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from tools_app.api.request_context import current_request_id

Item = TypeVar("Item")


class JsonAnswer(JSONResponse):
    """JSON that no model makes (errors, descriptions). Models are written by pydantic's own Rust serialiser."""

    def render(self, content: Any) -> bytes:
        """The body."""
        return orjson.dumps(content)


class Answer(BaseModel):
    """Base of every JSON answer."""

    request_id: str = Field(default_factory=current_request_id)


class ItemList(Answer, Generic[Item]):
    """A page of a list; `next_cursor` is null on the last one."""

    items: tuple[Item, ...]
    next_cursor: str | None = None


class Input(BaseModel):
    """Base of every request body: unknown fields are refused, so that a typo is not a silent default."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


def example(**values: Any) -> ConfigDict:
    """The configuration of a body with its example in the API's description."""
    return ConfigDict(json_schema_extra={"examples": [values]})


class NoInput(Input):
    """The body of a mutation without parameters: `{}` or nothing."""

    model_config = example()
