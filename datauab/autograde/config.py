"""The one place that tells nbgrader to grade with two kernels."""

from __future__ import annotations

from typing import Any


def configure_autograde(c: Any) -> None:
    """Set everything about autograding and feedback on a traitlets configuration.

    Parameters
    ----------
    c : traitlets.config.Config
        What ``nbgrader_config.py`` gets; the same serves the ``nbgrader`` commands, the formgrader and the grader.
    """
    own = "datauab.autograde"
    nbgrader = "nbgrader.preprocessors"
    c.Autograde.sanitize_preprocessors = [
        f"{own}.sanitise.Sanitise",
        f"{nbgrader}.ClearOutput",
        f"{nbgrader}.DeduplicateIds",
        f"{nbgrader}.OverwriteKernelspec",
        f"{nbgrader}.OverwriteCells",
        f"{nbgrader}.CheckCellMetadata",
    ]
    c.Autograde.autograde_preprocessors = [
        f"{own}.execute.SandboxExecute",
        f"{nbgrader}.LimitOutput",
        f"{own}.execute.SaveMarks",
        f"{own}.execute.LatePenalties",
        f"{nbgrader}.CheckCellMetadata",
        f"{own}.execute.CleanText",
    ]
    c.OverwriteCells.add_missing_cells = True
    c.GenerateFeedback.exporter_class = f"{own}.feedback.FeedbackExporter"
    c.GenerateFeedback.preprocessors = [
        f"{nbgrader}.GetGrades",
        f"{own}.feedback.FeedbackOnly",
        "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
    ]
