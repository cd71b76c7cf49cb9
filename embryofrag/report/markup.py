"""HTML and SVG as text in which everything is escaped that is not markup already."""

from collections.abc import Iterable
from html import escape


class Markup(str):
    """Text that is markup; any other text is escaped where it is put into markup."""

    __slots__ = ()


_VOID = frozenset({"br", "col", "img", "input", "meta", "wbr"})
"""Elements that have no end tag."""


def tag(name: str, /, *children: object, **attributes: object) -> Markup:
    """Return one element with its children.

    Args:
        name: of the element.
        children: markup as it is, all else as escaped text; None is left out.
        attributes: names without their trailing underscore, other underscores as hyphens. None and False leave the
            attribute out, True gives it without a value.

    >>> tag("td", "a < b", class_="number", data_x=1, hidden=True, id=None)
    '<td class="number" data-x="1" hidden>a &lt; b</td>'
    >>> tag("p", tag("b", "&"), " x")
    '<p><b>&amp;</b> x</p>'
    """
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID and not children:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{join(children)}</{name}>")


def join(parts: Iterable[object]) -> Markup:
    """Put parts one after another, escaped where they are no markup; None is left out.

    >>> join(["<", tag("br"), None, 1])
    '&lt;<br>1'
    """
    return Markup(
        "".join(part if isinstance(part, Markup) else escaped(str(part)) for part in parts if part is not None)
    )


def escaped(words: str) -> str:
    """Return text for markup: marks escaped, characters beyond Latin-1 as references.

    A long text with one wide character takes twice the memory, and a page is copied many times while it is put
    together.

    >>> escaped('"<" – é')
    '&quot;&lt;&quot; &#8211; é'
    """
    return escape(words).encode("latin-1", "xmlcharrefreplace").decode("latin-1")


def breakable(name: str) -> Markup:
    """Return a long name that may be broken into lines behind each underscore and slash.

    >>> breakable("slide_1/<well>")
    'slide_<wbr>1/<wbr>&lt;well&gt;'
    """
    return Markup(escaped(name).replace("_", "_<wbr>").replace("/", "/<wbr>"))


def prose(words: str) -> Markup:
    """Return a sentence whose parts between backticks are code.

    >>> prose("see `a<b`")
    'see <code>a&lt;b</code>'
    """
    return join(tag("code", part) if index % 2 else part for index, part in enumerate(words.split("`")))


def _attribute(key: str, value: object) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escaped(str(value))}"'
