"""HTML that a notebook showed, made harmless; and Markdown as HTML.

Tables carry service names, routes and log lines, which strangers choose. The page's security policy already stops
scripts and requests. This gate also stops what a policy cannot: a redirect by <meta>, forms, text laid over the page.
"""

import functools
import re
from typing import Any


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TAGS = _words("""
    a abbr b blockquote br caption center code col colgroup dd del details dfn div dl dt em figcaption figure h1 h2 h3
    h4 h5 h6 hr i img ins kbd li mark meter ol p pre progress q s samp section small span strong sub summary sup table
    tbody td tfoot th thead time tr tt u ul var
""")
_ATTRIBUTES = _words("""
    align alt class colspan dir height high href lang low max min open optimum rowspan scope span src start style title
    value width
""")
_STYLES = _words("""
    background-color border border-bottom border-collapse border-left border-radius border-right border-top color
    display font-family font-size font-style font-weight height line-height margin margin-bottom margin-left
    margin-right margin-top max-height max-width min-width overflow overflow-x overflow-y padding padding-bottom
    padding-left padding-right padding-top text-align text-decoration vertical-align white-space width
""")
_UNSEEN = "script|style|title|template|noscript|iframe"
_WITH_CONTENT = re.compile(rf"<({_UNSEEN})\b.*?(</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE)


def harmless(html: str) -> str:
    """The HTML with only what tables, text and embedded pictures need; everything else is taken out."""
    return str(_cleaner().clean(_WITH_CONTENT.sub("", html)))


def markdown(text: str, *, trusted: bool) -> str:
    """Markdown as HTML.

    Args:
        trusted: the text is the notebook author's: HTML in it is kept as far as it is harmless. Otherwise HTML in it
            stays visible text, and pictures become links, because findings speak of telemetry.
    """
    html = _renderer(trusted).render(text)
    return harmless(html)


@functools.cache
def _cleaner() -> Any:
    from bleach.css_sanitizer import CSSSanitizer
    from bleach.sanitizer import Cleaner

    return Cleaner(
        tags=_TAGS,
        attributes=_allowed,
        protocols=["http", "https", "mailto", "data"],
        strip=True,
        css_sanitizer=CSSSanitizer(allowed_css_properties=_STYLES),
    )


def _allowed(tag: str, name: str, value: str) -> bool:
    if name == "src":
        return tag == "img" and value.startswith("data:image/")
    if name == "href":
        return tag == "a" and not value.strip().lower().startswith("data:")
    return name in _ATTRIBUTES


@functools.cache
def _renderer(trusted: bool) -> Any:
    from markdown_it import MarkdownIt

    renderer = MarkdownIt("commonmark", {"html": trusted}).enable(["table", "strikethrough"])
    return renderer if trusted else renderer.disable("image")
