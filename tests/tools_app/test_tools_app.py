"""The app object: what its pages are called."""

from tools_app.i18n.catalogue import LOCALES
from tools_app.tools_app import app


def test_a_title_says_the_name_of_the_whole_once_in_every_language():
    titles = [str(page.title) for page in app._unevaluated_pages.values()]  # pyright: ignore[reportPrivateUsage]
    assert len(titles) > 4
    # One branch a language, and each names the product once.
    assert {title.count("Control Tower") for title in titles} == {len(LOCALES)}
