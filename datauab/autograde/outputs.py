"""Outputs of student code, made safe to keep and to look at.

Instructors open autograded notebooks with their own account, so nothing in them may run there.
"""

from __future__ import annotations

import html
import re
from typing import Any

from nbformat import NotebookNode, from_dict
from nbformat.v4 import output_from_msg

_MIB = 2**20
_MOST_OUTPUTS = 1000
_IMAGES = ("image/png", "image/jpeg")
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]*")
# Terminal colours are shown as such; every other control character could hide text.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]|\x1b(?!\[[0-9;]*m)")
_MARKUP = re.compile(r"<\s*[a-zA-Z!/?]")
_CODE_LINK = re.compile(r"(java|vb|live)script:", re.IGNORECASE)
# What a page never shows as text: without its tags it would be shown.
_HIDDEN = re.compile(r"<(style|script|template|noscript)\b.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_TAGS = frozenset(
    re.findall(
        r"\S+",
        "a abbr b blockquote br caption code col colgroup dd del details div dl dt em figcaption figure h1 h2 h3 h4 h5 "
        "h6 hr i img ins kbd li ol p pre q s samp small span strong sub summary sup table tbody td tfoot th thead tr "
        "tt u ul var",
    )
)
_ATTRIBUTES = ["title", "colspan", "rowspan", "href", "alt", "width", "height", "border", "class", "scope"]


def clean_html(text: str) -> str:
    """`text` with every tag and attribute removed that could run code, load anything or cover the page."""
    import bleach

    text = _HIDDEN.sub("", text)
    allowed = {"*": _ATTRIBUTES, "img": _image_attribute}
    # A class is kept on tables only: elsewhere it could borrow the page's own buttons and overlays.
    found: str = bleach.clean(text, tags=_TAGS, attributes=allowed, protocols=["http", "https", "data"], strip=True)
    return re.sub(r'(<(?!table\b)[a-z0-9]+\b[^>]*?) class="[^"]*"', r"\1", found)


def _image_attribute(tag: str, name: str, value: str) -> bool:
    """Images inside the text only: one that is loaded from elsewhere tells its owner who looks."""
    if name == "src":
        return re.fullmatch(r"data:image/(png|jpeg|gif);base64,[A-Za-z0-9+/=\s]*", value) is not None
    return tag == "img" and name in ("alt", "title", "width", "height")


def clean_markdown(text: str) -> str:
    """`text` as it was where it holds no markup; else with the markup made safe.

    Text with a link that could run code is shown as it was typed.
    """
    typed = re.sub(r"[\x00-\x20\x7f]", "", html.unescape(html.unescape(text)))
    if _CODE_LINK.search(typed):
        return as_typed(text)
    return clean_html(text) if _MARKUP.search(text) else text


def as_typed(text: str) -> str:
    """Markdown that shows `text` letter by letter."""
    return "\n".join(f"    {line}" for line in text.splitlines())


def plain(text: Any, longest: int = _MIB) -> str:
    """`text` without control characters that could hide or forge anything, cut at `longest` characters."""
    found = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", str(text))
    found = found.encode("utf-8", "replace").decode("utf-8")
    return found if len(found) <= longest else found[:longest] + "\n... the rest is left out ..."


class OutputCollector:
    """Turns messages of a kernel that may be hostile into outputs of one cell after another.

    Parameters
    ----------
    max_bytes : int
        Most bytes kept of all outputs together; what comes after is dropped, with a note.
    """

    def __init__(self, max_bytes: int = 20 * _MIB) -> None:
        self.left = max_bytes
        self.error: tuple[str, str] | None = None
        self._outputs: list[NotebookNode] = []
        self._clear = False

    def begin(self) -> list[NotebookNode]:
        """Begin with the next cell; returns the list that its outputs will be added to."""
        self._outputs = []
        self._clear = False
        return self._outputs

    def take(self, message: dict[str, Any]) -> None:
        """Add what one message shows; anything of a wrong form is dropped."""
        if message["header"].get("msg_type") == "clear_output":
            self._clear = bool(message["content"].get("wait"))
            if not self._clear:
                self._outputs.clear()
            return
        try:
            output = safe_output(output_from_msg(message))
        except (ValueError, KeyError, TypeError, AttributeError):
            return
        if output is None:
            return
        if self._clear:
            self._outputs.clear()
            self._clear = False
        if output.output_type == "error":
            self.error = self.error or (output.ename, output.evalue)
        size = len(str(output))
        if size > self.left or len(self._outputs) >= _MOST_OUTPUTS:
            self._note()
            return
        self.left -= size
        self._add(output)

    def add_error(self, name: str, text: str) -> None:
        """Add an error of the platform's own, such as a limit that was reached."""
        self._outputs.append(NotebookNode(output_type="error", ename=name, evalue=text, traceback=[f"{name}: {text}"]))

    def _add(self, output: NotebookNode) -> None:
        last = self._outputs[-1] if self._outputs else None
        if last is not None and output.output_type == "stream" == last.output_type and output.name == last.name:
            last.text += output.text
        else:
            self._outputs.append(output)

    def _note(self) -> None:
        text = "... more output than the grader keeps ..."
        if not self._outputs or self._outputs[-1].get("text") != text:
            self._outputs.append(NotebookNode(output_type="stream", name="stderr", text=text))


def safe_outputs(found: list[Any]) -> list[NotebookNode]:
    """What a worker sent as one cell's outputs, cleaned as if a student had; anything of a wrong form is dropped."""
    kept = []
    for output in found[:_MOST_OUTPUTS]:
        try:
            clean = safe_output(from_dict(output))
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        if clean is not None:
            kept.append(clean)
    return kept


def safe_output(output: NotebookNode) -> NotebookNode | None:
    """One output with only what is known to be harmless; None where nothing of it is."""
    kind = output.output_type
    if kind == "stream":
        name = "stderr" if output.name == "stderr" else "stdout"
        return NotebookNode(output_type="stream", name=name, text=plain(output.text))
    if kind == "error":
        trace = [plain(line, 10_000) for line in list(output.traceback)[:200]]
        ename, evalue = plain(output.ename, 200), plain(output.evalue, 2000)
        return NotebookNode(output_type="error", ename=ename, evalue=evalue, traceback=trace)
    if kind not in ("display_data", "execute_result"):
        return None
    data = _safe_data(output.data)
    if not data:
        return None
    kept = NotebookNode(output_type=kind, data=data, metadata=NotebookNode())
    if kind == "execute_result":
        count = output.get("execution_count")
        kept.execution_count = count if isinstance(count, int) else None
    return kept


def _safe_data(data: Any) -> NotebookNode:
    kept = NotebookNode()
    for mime, content in dict(data).items():
        text = "".join(content) if isinstance(content, list) else content
        if not isinstance(text, str):
            continue
        if mime in _IMAGES and _BASE64.fullmatch(text):
            kept[mime] = text
        elif mime == "text/html":
            kept[mime] = clean_html(plain(text))
        elif mime == "text/markdown":
            kept[mime] = clean_markdown(plain(text))
        elif mime in ("text/plain", "text/latex"):
            kept[mime] = plain(text)
    # SVG, JavaScript, PDF and whatever else a page might run are left out; their text form stays.
    return kept
