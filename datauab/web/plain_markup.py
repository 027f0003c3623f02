"""Text of organisers as HTML: headings, lists, bold, emphasis, code and links, and never any HTML of theirs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from markupsafe import Markup, escape

_INLINE = re.compile(
    r"`(?P<code>[^`\n]+)`"
    r"|\*\*(?P<bold>[^*\n]+)\*\*"
    r"|\*(?P<soft>[^*\s][^*\n]*)\*"
    r"|\[(?P<label>[^\[\]\n]+)\]\((?P<target>https?://[^\s()<>]+)\)"
    r"|(?P<bare>https?://[^\s()<>\"']*[^\s()<>\"'.,;:!?])"
)
_HEADING = re.compile(r"(#{1,6})\s+(.*)")
_ITEM = re.compile(r"(?:[-*+]|(?P<number>\d{1,3})[.)])\s+(.*)")


def to_html(text: str) -> Markup:
    """Write `text` as HTML in which every character of it is text.

    Paragraphs end at an empty line. A line that begins with ``#`` is a heading, one with ``-``, ``*`` or ``1.`` an
    item of a list. Inside a line, ``**bold**``, ``*emphasis*``, `` `code` ``, ``[label](https://...)`` and bare
    ``https://`` addresses are known; everything else, HTML included, is shown as it stands.
    """
    return Markup("\n").join(_blocks(text))


def _blocks(text: str) -> Iterator[Markup]:
    kind, lines = "", list[str]()
    for line in (*text.splitlines(), ""):
        new_kind, content = _kind(line.strip())
        goes_on = new_kind == "p" and kind in ("ul", "ol") and line[:1].isspace()
        if goes_on:
            lines[-1] = f"{lines[-1]} {content}"
            continue
        if lines and (new_kind != kind or new_kind.startswith("h")):
            yield _block(kind, lines)
            lines = []
        kind = new_kind
        if kind:
            lines.append(content)


def _kind(line: str) -> tuple[str, str]:
    if heading := _HEADING.fullmatch(line):
        return f"h{min(len(heading[1]) + 1, 4)}", heading[2]
    if item := _ITEM.fullmatch(line):
        return ("ol" if item["number"] else "ul"), item[2]
    return ("p", line) if line else ("", "")


def _block(kind: str, lines: list[str]) -> Markup:
    if kind in ("ul", "ol"):
        body = Markup("").join(Markup("<li>{}</li>").format(_inline(line)) for line in lines)
    else:
        body = Markup("\n").join(_inline(line) for line in lines)
    return Markup("<{0}>{1}</{0}>").format(kind, body)


def _inline(line: str) -> Markup:
    parts, end = [], 0
    for found in _INLINE.finditer(line):
        parts += [escape(line[end : found.start()]), _mark(found)]
        end = found.end()
    return Markup("").join([*parts, escape(line[end:])])


def _mark(found: re.Match[str]) -> Markup:
    tags: tuple[tuple[str, Callable[[str], Markup]], ...] = (
        ("code", Markup("<code>{}</code>").format),
        ("bold", Markup("<strong>{}</strong>").format),
        ("soft", Markup("<em>{}</em>").format),
    )
    for name, write in tags:
        if found[name] is not None:
            return write(found[name])
    target = found["target"] or found["bare"]
    label = found["label"] or target
    return Markup('<a href="{}" rel="noopener noreferrer nofollow">{}</a>').format(target, label)
