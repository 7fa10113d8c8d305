"""The app object: what its pages are called."""

from tools_app.tools_app import app


def test_a_title_says_the_name_of_the_whole_once():
    titles = [str(page.title) for page in app._unevaluated_pages.values()]  # pyright: ignore[reportPrivateUsage]
    assert "Control Tower" in titles
    assert all(title.count("Control Tower") == 1 for title in titles)
