"""One plain HTML page per vendor record, so that evidence links open something readable."""

from dataclasses import dataclass
from html import escape

from starlette.responses import HTMLResponse, Response

STYLE = """
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--ink:#1c2430;--soft:#667085;--line:#e3e7ed;--mark:#fff3c4;
--accent:#2f6f6d;--mine:#e9f3f2}
@media(prefers-color-scheme:dark){:root{--bg:#12161c;--card:#1a2029;--ink:#e6eaf0;--soft:#98a2b3;--line:#2a3340;
--mark:#4a3f16;--accent:#7cc4c0;--mine:#1d2f31}}
*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.55 system-ui,sans-serif}
header{border-bottom:1px solid var(--line);background:var(--card)}header div,main{max-width:46rem;margin:0 auto;
padding:1rem 1.25rem}header small{color:var(--soft)}h1{font-size:1.35rem;line-height:1.3;margin:.2rem 0}
h2{font-size:1rem;margin:1.6rem 0 .6rem;color:var(--soft)}dl{display:grid;grid-template-columns:max-content 1fr;
gap:.25rem 1rem;margin:1rem 0}dt{color:var(--soft)}dd{margin:0}article{background:var(--card);border:1px solid
var(--line);border-radius:.6rem;padding:.7rem .9rem;margin:.6rem 0;overflow-wrap:anywhere}article.own{background:
var(--mine)}article.quiet{background:none;border-style:dashed;color:var(--soft);font-size:.9rem}article.asked,
article:target{background:var(--mark);border-color:var(--accent)}article footer{color:var(--soft);font-size:.85rem;
margin-bottom:.2rem}p{margin:.3rem 0;white-space:pre-wrap}a{color:var(--accent)}.chip{display:inline-block;border:1px
solid var(--line);border-radius:1rem;padding:0 .6rem;font-size:.85rem;margin-right:.3rem}
"""


# Without a script: the browser scrolls to the element that asks for focus.
_FOCUS = ' tabindex="-1" autofocus'


@dataclass(frozen=True, slots=True)
class Block:
    """A message, comment or note on a page; `tone` is empty, `own`, `quiet` or `asked`."""

    anchor: str
    byline: str
    text: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """A record's page: `facts` are label and value pairs, `links` label and address pairs."""

    vendor: str
    title: str
    facts: tuple[tuple[str, str], ...] = ()
    text: str = ""
    blocks: tuple[Block, ...] = ()
    blocks_title: str = ""
    links: tuple[tuple[str, str], ...] = ()
    chips: tuple[str, ...] = ()
    asked: str = ""


def render(page: Page) -> Response:
    """The page as an HTML answer; everything in it is escaped."""
    facts = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in page.facts if v)
    blocks = "".join(
        f'<article id="{escape(b.anchor, quote=True)}" class="{b.tone}"{_FOCUS if b.tone == "asked" else ""}>'
        f"<footer>{escape(b.byline)}</footer>"
        f"<p>{escape(b.text)}</p></article>"
        for b in page.blocks
    )
    links = "".join(
        f'<li><a href="{escape(url, quote=True)}">{escape(label)}</a></li>' for label, url in page.links
    )
    chips = "".join(f'<span class="chip">{escape(chip)}</span>' for chip in page.chips)
    heading = f"<h2>{escape(page.blocks_title)}</h2>" if page.blocks_title else ""
    asked = (
        f'<p><a href="#{escape(page.asked, quote=True)}">Go to the quoted message</a></p>'
        if page.asked
        else ""
    )
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><link rel="icon" href="data:,"><meta name="viewport" '
        f'content="width=device-width,initial-scale=1"><title>{escape(page.title)}</title><style>{STYLE}</style>'
        f"</head><body><header><div><small>{escape(page.vendor)} sandbox</small><h1>{escape(page.title)}</h1>"
        f"{chips}{asked}</div></header><main>{f'<dl>{facts}</dl>' if facts else ''}"
        f"{f'<article><p>{escape(page.text)}</p></article>' if page.text else ''}"
        f"{f'<ul>{links}</ul>' if links else ''}{heading}{blocks}</main></body></html>"
    )


def missing(vendor: str, what: str) -> Response:
    """A 404 page."""
    answer = render(Page(vendor, f"This {what} does not exist", text="It may have been deleted or merged."))
    answer.status_code = 404
    return answer
