"""Handing in an assignment, with a receipt that stays with the student."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urljoin

from nbgrader.exchange.abc import ExchangeSubmit as ABCExchangeSubmit

from datauab.archive import check_notebook, make_archive, read_archive
from datauab.exchange.base import Exchange
from datauab.exchange.records import Receipt

RECEIPTS = "receipts"
"""Folder of the receipts in the student's home: beside the assignments, so never part of a submission."""


class ExchangeSubmit(Exchange, ABCExchangeSubmit):
    """``nbgrader submit`` and JupyterLab's Submit button."""

    def init_src(self) -> None:
        """Find the student's folder; a path such as ``work/bitcoin`` names the assignment by its last part."""
        asked = Path(self.coursedir.assignment_id)
        folder = self.folder_of(str(asked))
        self.src_path = folder.absolute()
        self.coursedir.assignment_id = self.src_path.name
        if not self.src_path.is_dir():
            self.fail(f"Assignment not found at: {self.src_path}. Fetch it first, or change into the folder above it.")

    def init_dest(self) -> None:
        """Find what was released, and refuse to hand in under another name than one's own."""
        self.release = self.find_release(self.coursedir.assignment_id)
        asked = self.coursedir.student_id
        if asked not in ("", "*", self.member):
            self.fail(
                f"A submission belongs to whoever the hub signed in: expected --student {self.member or '(nobody)'}, "
                f"found {asked!r}; leave the option out."
            )

    def copy_files(self) -> None:
        """Send the folder and keep the receipt."""
        packed = self.pack(self.src_path)
        released = read_archive(self.exchanger.release_archive(self.release.assignment))
        self.check_notebooks(set(released), packed.files)
        archive = make_archive(packed.files)
        self.log.info("Source: %s", self.src_path)
        self.log.info("Destination: %s", self.exchanger.where)
        receipt = self.exchanger.submit(self.release.assignment, archive)
        self.log.info("Submitted as: %s %s %s", self.coursedir.course_id, self.release.assignment, receipt.timestamp)
        self.keep_receipt(receipt)

    def check_notebooks(self, released: set[str], files: dict[str, bytes]) -> None:
        """Compare the notebooks with those released, and refuse what could only fail in grading."""
        expected = sorted(name for name in released if name.endswith(".ipynb"))
        found = sorted(name for name in files if name.endswith(".ipynb"))
        missing = sorted(set(expected) - set(found))
        difference = "Expected:\n\t{}\nSubmitted:\n\t{}".format(
            "\n\t".join(f"{name}: {'MISSING' if name in missing else 'FOUND'}" for name in expected),
            "\n\t".join(f"{name}: {'OK' if name in expected else 'EXTRA'}" for name in found) or "no notebook",
        )
        name = self.release.assignment
        if missing and (self.strict or missing == expected):
            self.fail(f"Assignment {name} not submitted. There are missing notebooks for the submission:\n{difference}")
        if expected != found:
            self.log.warning(
                "Possible missing notebooks and/or extra notebooks submitted for assignment %s:\n%s", name, difference
            )
        for notebook in set(expected) & set(found):
            check_notebook(files[notebook], notebook)

    def keep_receipt(self, receipt: Receipt) -> None:
        """Write the receipt to ``receipts/`` in the student's home and say where."""
        page = urljoin(self.exchanger.where, f"attempts/{receipt.id}")
        lines = (
            f"Course      {self.coursedir.course_id}",
            f"Assignment  {self.release.assignment}",
            f"Member      {self.member}",
            f"Received    {receipt.timestamp}",
            f"Submission  {receipt.id}",
            f"SHA-256     {receipt.sha256}",
            f"Receipt     {receipt.receipt or f'see {page}'}",
        )
        path = self.home / RECEIPTS / f"{self.release.assignment} {receipt.timestamp}.txt"
        try:
            path.parent.mkdir(exist_ok=True)
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        except OSError as error:
            # The submission is safe on the server; a full disk here must not look like a failed submission.
            self.log.warning("%s: the receipt could not be written (%s); note it from here", path, error.strerror)
            self.log.info("Receipt:\n%s", "\n".join(lines))
            return
        self.log.info("Receipt: submission %s, SHA-256 %s, kept in %s", receipt.id, receipt.sha256, path)
