"""The README of a starter kit."""

from __future__ import annotations

from datauab.competition import Competition
from datauab.datasets.records import Manifest


def readme(competition: Competition, manifest: Manifest, *, club: str, has_script: bool) -> str:
    """What a kit is, how to run it, and under which licence its data may be used."""
    lines = [f"# {competition.title}: starter kit", "", competition.summary, ""]
    if manifest.stand_in:
        lines += ["**The data of this kit is made up**: the real data could not be had where it was made.", ""]
    if has_script:
        lines += [
            "```bash",
            "pip install -r requirements.txt",
            "python starter.py",
            "```",
            "",
            "`starter.py` trains an extremely simple model in seconds, prints its score on validation rows, and writes",
            f"`submission.csv`, which {club} accepts as it is. `starter.ipynb` is the same as a notebook.",
            "Run either in this folder: both read `data/`.",
            "",
        ]
    lines += [
        "| file | what |",
        "|---|---|",
        "| `data/` | the public data: rows to learn from, and the test rows without what is to be predicted |",
    ]
    if has_script:
        lines += [
            "| `data/sample_submission.csv` | the form of a submission, with the ids of the test rows |",
            "| `starter.py`, `starter.ipynb` | a first attempt, twice the same |",
            "| `requirements.txt` | what it needs |",
        ]
    lines += [
        "",
        f"Where `data/` is missing, download the public data of the competition and unpack it there. Rules, limits and "
        f"the leaderboard are on the competition's page at {club}.",
        "",
        f"Source of the data: {manifest.source}. Licence: {manifest.licence}.",
        "",
    ]
    return "\n".join(lines)
