"""Which language an answer's texts are in: what the request names, else the reader's choice, else `Accept-Language`."""

from typing import Annotated, Literal

from fastapi import Depends, Query, Request

from tools_app.i18n.locale_state import COOKIE, negotiate

Language = Annotated[
    Literal["en", "ru"] | None, Query(description="Language of texts; left out: that of the request.")
]


def reader_locale(request: Request, lang: Language = None) -> str:
    """The locale of the texts of an answer."""
    return negotiate(lang or request.cookies.get(COOKIE, ""), request.headers.get("accept-language", ""))


Locale = Annotated[str, Depends(reader_locale)]
