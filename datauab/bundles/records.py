"""What exporting and importing bundles give, and what they have to say about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from datauab.competition import Competition
from datauab.errors import ClubError

Kind = Literal["unknown", "missing", "unused", "changed", "warning"]
"""unknown: a key that the format does not have. missing: a file or key that is not there. unused: understood, but
without effect on the other side. changed: carried over in another way. warning: worth a look before the start."""

FAR = "2099-12-31T00:00:00Z"
"""Written where a phase without an end must have one; read as no end."""


class BundleError(ClubError):
    """A bundle cannot be imported or exported; the message says which part, what was expected and found."""


@dataclass(frozen=True)
class Remark:
    """Something that did not go over as it was.

    Attributes
    ----------
    where : str
        File or key.
    """

    kind: Kind
    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.where}: {self.text}"


@dataclass
class Report:
    """Collects remarks; each is told once."""

    remarks: list[Remark] = field(default_factory=list)

    def add(self, kind: Kind, where: str, text: str) -> None:
        """Add a remark."""
        remark = Remark(kind, _printable(where), _printable(text))
        if remark not in self.remarks:
            self.remarks.append(remark)

    def done(self) -> tuple[Remark, ...]:
        """All remarks, in the order in which they came up."""
        return tuple(self.remarks)


def _printable(text: str) -> str:
    """Text that does nothing to a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:1000])


@dataclass(frozen=True)
class Exported:
    """A bundle and what could not be told in it."""

    content: bytes
    remarks: tuple[Remark, ...]


@dataclass(frozen=True)
class Imported:
    """A competition made from a bundle."""

    competition: Competition
    remarks: tuple[Remark, ...]
