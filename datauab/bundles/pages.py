"""The pages of an exported bundle, in Markdown, and its picture."""

from __future__ import annotations

import io
from datetime import datetime

from datauab import metrics
from datauab.competition import Competition
from datauab.datasets.records import read_manifest
from datauab.errors import DataError
from datauab.settings import Settings

_FORMS = {
    "real": "one number a row",
    "class": "one class a row",
    "probability": "one number between 0 and 1 a row, the probability of class 1",
    "scores": "one number for each class and row",
    "files": "the files that the scoring program reads",
}


def pages(competition: Competition, settings: Settings) -> dict[str, tuple[str, str]]:
    """Pages by file name: title and Markdown text."""
    return {
        "overview.md": ("Overview", _overview(competition)),
        "evaluation.md": ("Evaluation", _evaluation(competition)),
        "data.md": ("Data", _data(competition, settings)),
    }


def terms(competition: Competition) -> str:
    """The rules that a member accepts; Codabench refuses an empty page."""
    return competition.rules.text or "Play fair: every entrant works alone or in the own team, and shares no labels."


def _overview(competition: Competition) -> str:
    lines = [f"# {competition.title}", "", competition.summary, "", f"By {', '.join(competition.authors)}."]
    lines += ["", "## Phases", ""]
    for phase in competition.phases:
        closes = _moment(phase.closes) if phase.closes else "no end"
        lines.append(f"- **{phase.name}**: {_moment(phase.opens)} to {closes}. {phase.description}".rstrip())
    return "\n".join(lines) + "\n"


def _evaluation(competition: Competition) -> str:
    spec = competition.predictions
    lines = ["# Evaluation", ""]
    better = "More" if competition.metric.direction == "maximize" else "Less"
    lines.append(f"Ranked by **{metric_title(competition)}**. {better} is better.")
    known = metrics.METRICS.get(competition.metric.name)
    if known is not None:
        summary = (known.function.__doc__ or "").strip().split("\n\n", 1)[0]
        lines += ["", " ".join(summary.split()), "", f"Source: {known.source}."]
    if competition.metric.secondary:
        lines += ["", f"Shown beside it: {', '.join(competition.metric.secondary)}."]
    lines += ["", "## What to hand in", "", f"A zip with one file that holds {_FORMS[spec.kind]}."]
    if spec.kind != "files":
        lines.append(
            "Either `predictions.npy`, in the order of the test features, or `predictions.csv` with a column `id` and "
            "the predictions, in any order; the starting kit has a sample."
        )
    if spec.classes:
        names = spec.class_names or tuple(str(number) for number in spec.classes)
        listed = (f"{number} ({word})" for number, word in zip(spec.classes, names, strict=True))
        lines += ["", f"Classes: {', '.join(listed)}."]
    lines += [
        "",
        "The public leaderboard is computed on some of the hidden rows, the private one on the others.",
    ]
    return "\n".join(lines) + "\n"


def _data(competition: Competition, settings: Settings) -> str:
    try:
        note = read_manifest(settings.public / competition.dataset)
    except DataError:
        return "# Data\n\nThe public data is part of the first phase.\n"
    lines = ["# Data", "", f"{note.title}.", "", f"Source: {note.source}. Licence: {note.licence}."]
    if note.stand_in:
        lines += ["", "**The data is made up**: the real data could not be had when it was prepared."]
    rows = ", ".join(f"{count} {part}" for part, count in note.rows.items() if count)
    return "\n".join([*lines, "", f"Rows: {rows}."]) + "\n"


def metric_title(competition: Competition) -> str:
    """Name of the metric as people write it."""
    known = metrics.METRICS.get(competition.metric.name)
    return competition.metric.title or (known.title if known else "score")


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")


def logo(title: str) -> bytes:
    """A plain picture with the title's first letters, as PNG: Codabench takes no SVG."""
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.new("RGB", (512, 512), (31, 64, 104))
    letters = "".join(word[0] for word in title.split() if word[:1].isalnum())[:3].upper() or "?"
    ImageDraw.Draw(picture).text(
        (256, 256), letters, fill=(255, 255, 255), anchor="mm", font=ImageFont.load_default(size=200)
    )
    target = io.BytesIO()
    picture.save(target, "PNG", optimize=True)
    return target.getvalue()
