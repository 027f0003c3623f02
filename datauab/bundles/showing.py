"""What members see of an imported bundle: pages as files, public data, the cover, the rules."""

from __future__ import annotations

import re
from html import escape
from html.parser import HTMLParser
from pathlib import PurePosixPath

from datauab.bundles.description import Description
from datauab.bundles.records import Report
from datauab.bundles.unpacking import Bundle

_IMAGES = {
    ".png": (b"\x89PNG\r\n\x1a\n",),
    ".jpg": (b"\xff\xd8\xff",),
    ".jpeg": (b"\xff\xd8\xff",),
    ".webp": (b"RIFF",),
}
_TAKEN = ("dataset.json", "competition.json")
_MOST_RULES = 20_000


def cover(bundle: Bundle, described: Description, report: Report) -> tuple[str, bytes]:
    """Name and content of the cover: the bundle's picture where a page may show it, else one with the title."""
    if described.image is not None:
        content = bundle.file(described.image, "competition.yaml: image")
        suffix = PurePosixPath(str(described.image)).suffix.lower()
        if content is not None:
            if content.startswith(_IMAGES.get(suffix, ())):
                return f"cover{suffix}", content
            report.add("changed", "competition.yaml: image", "no PNG, JPEG or WebP; a plain cover is made")
    title = escape("".join(letter for letter in described.title[:40] if letter.isprintable()))
    return "cover.svg", (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1200 630"><rect width="1200" height="630" '
        f'fill="#1f4068"/><text x="600" y="330" font-family="sans-serif" font-size="56" fill="#fff" '
        f'text-anchor="middle">{title}</text></svg>\n'
    ).encode()


def public_files(bundle: Bundle, described: Description, report: Report) -> dict[str, bytes]:
    """Public data at the top, the starting kit and the pages in folders of their own."""
    found: dict[str, bytes] = {}
    for phase in described.phases:
        for key, path, folder in (
            ("public_data", phase.public_data, ""),
            ("starting_kit", phase.starting_kit, "starting_kit/"),
        ):
            if path is None:
                continue
            where = f"{phase.where}: {key}"
            for name, content in (bundle.part(path, where) or {}).items():
                _put(found, f"{folder}{name}", content, where, report)
    for number, (title, path) in enumerate(described.pages):
        where = f"page {title!r}"
        page = bundle.file(path, where)
        if page is None:
            continue
        if not page.strip():
            report.add("warning", where, "the page is empty; Codabench refuses such a bundle")
        suffix = PurePosixPath(str(path)).suffix or ".txt"
        name = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:60] or f"page-{number + 1}"
        _put(found, f"pages/{name}{suffix}", page, where, report)
    if described.pages:
        report.add("changed", "pages", "kept as files in the public data; what members must read goes into the post")
    return found


def _put(found: dict[str, bytes], name: str, content: bytes, where: str, report: Report) -> None:
    if name in _TAKEN:
        report.add("changed", where, f"{name} is a name of the club's own; left out")
        return
    if found.get(name, content) != content:
        report.add("changed", where, f"{name} is there already with other content; the first is kept")
        return
    above = [str(parent) for parent in PurePosixPath(name).parents]
    if any(parent in found for parent in above) or any(other.startswith(f"{name}/") for other in found):
        report.add("changed", where, f"{name} is both a file and a folder; left out")
        return
    found[name] = content


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._hidden += tag in ("script", "style")
        if tag in ("p", "br", "li", "div", "h1", "h2", "h3", "tr"):
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("script", "style") and self._hidden > 0

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)


def plain_text(text: str) -> str:
    """Words of a page without its markup, cut where it is very long."""
    if re.search(r"<[a-zA-Z/!]", text):
        parser = _Text()
        parser.feed(text)
        parser.close()
        text = "".join(parser.parts)
    clean = "".join(letter for letter in text if letter.isprintable() or letter == "\n")
    lines = (" ".join(line.split()) for line in clean.splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()[:_MOST_RULES]
