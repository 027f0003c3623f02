"""Bundles written from scratch, as organisers write them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any

from datauab.autograde.assignment import Assignment
from datauab.competition import load_competition
from datauab.settings import Settings

SCORE = """
import os, sys
here, there = sys.argv[1], sys.argv[2]
truth = [float(line) for line in open(os.path.join(here, "ref", "truth.txt"))]
guess = [float(line) for line in open(os.path.join(here, "res", "answer.txt"))]
hits = sum(a == b for a, b in zip(truth, guess)) / len(truth)
error = sum(abs(a - b) for a, b in zip(truth, guess)) / len(truth)
with open(os.path.join(there, "scores.txt"), "w") as file:
    file.write("hits:%r\\nerror: %r\\n" % (hits, error))
"""

V2 = """
version: 2
title: Guess the numbers
description: A small one.
image: logo.png
terms: terms.md
pages:
  - {title: Overview, file: pages/overview.html}
docker_image: codalab/codalab-legacy:py39
tasks:
  - index: 0
    name: Development
    scoring_program: scoring_program.zip
    reference_data: reference_dev.zip
  - index: 1
    name: Final
    scoring_program: scoring_program.zip
    reference_data: reference_final
phases:
  - index: 0
    name: Development
    start: '2026-01-01T00:00:00Z'
    end: '2026-06-01T12:30:00Z'
    max_submissions_per_day: 3
    max_submissions: 40
    execution_time_limit: 20
    public_data: public_data.zip
    starting_kit: starting_kit
    tasks: [0]
  - index: 1
    name: Final
    start: '2026-06-01T12:30:00Z'
    auto_migrate_to_this_phase: true
    tasks: [1]
leaderboards:
  - title: Results
    key: main
    primary_index: 1
    submission_rule: Force_Last
    columns:
      - {title: Hits, key: hits, index: 0, sorting: desc, precision: 2}
      - {title: Mean error, key: error, index: 1, sorting: asc, precision: 3}
"""

V15 = """
title: Count them
description: An old one, with a colon
image: logo.png
has_registration: True
end_date: 2030-12-31
admin_names: somebody
html:
    overview: overview.html
    terms: terms.html
phases:
    1:
        phasenumber: 1
        label: "Practice"
        start_date: 2020-01-01
        max_submissions: 100
        max_submissions_per_day: 4
        scoring_program: program.zip
        reference_data: reference.zip
    2:
        phasenumber: 2
        label: "Challenge"
        start_date: 2020-03-01
        max_submissions: 10
        scoring_program: program.zip
        reference_data: reference2.zip
leaderboard:
    leaderboards:
        Results: &RESULTS
            label: Results
            rank: 1
    columns:
        error:
            leaderboard: *RESULTS
            label: Error
            rank: 2
            sort: asc
        hits:
            leaderboard: *RESULTS
            label: Hits
            numeric_format: 4
            rank: 1
            sort: desc
"""

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


def packed(files: Mapping[str, bytes | str]) -> bytes:
    """A zip archive, as any packer writes it, folders included."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for folder in sorted({name.rsplit("/", 1)[0] for name in files if "/" in name}):
            archive.writestr(f"{folder}/", b"")
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def program(score: str = SCORE, command: str = "python3 score.py /app/input /app/output") -> bytes:
    """A scoring program of Codabench."""
    return packed({"metadata.yaml": f"command: {command}\n", "score.py": score})


def v2_files(**changes: Any) -> dict[str, bytes | str]:
    """Files of a version 2 bundle; a change of None takes one out."""
    files: dict[str, Any] = {
        "competition.yaml": V2,
        "logo.png": PNG,
        "terms.md": "Be fair.",
        "pages/overview.html": "<h1>Guess</h1>",
        "scoring_program.zip": program(),
        "reference_dev.zip": packed({"truth.txt": "1\n2\n3\n4\n"}),
        "reference_final/truth.txt": "1\n2\n3\n9\n",
        "public_data.zip": packed({"train.csv": "x,y\n1,1\n"}),
        "starting_kit/README.md": "Write answer.txt",
    }
    files |= changes
    return {name: content for name, content in files.items() if content is not None}


def v15_files(**changes: Any) -> dict[str, bytes | str]:
    """Files of a version 1.5 bundle, its program in a folder of its archive."""
    old = "description: counts: hits and errors\ncommand: python $program/evaluate.py $input $output\n"
    files: dict[str, Any] = {
        "competition.yaml": V15,
        "logo.png": PNG,
        "overview.html": "<p>Count</p>",
        "terms.html": "<html><style>p {}</style><p>Obey &amp; smile.</p><script>alert(1)</script></html>",
        "program.zip": packed({"program/metadata": old, "program/evaluate.py": SCORE, "__MACOSX/program/._x": "junk"}),
        "reference.zip": packed({"truth.txt": "1\n2\n3\n4\n", "metadata": "the truth"}),
        "reference2.zip": packed({"truth.txt": "5\n5\n5\n4\n"}),
    }
    files |= changes
    return {name: content for name, content in files.items() if content is not None}


def assignment(settings: Settings, name: str) -> Assignment:
    """What scoring an attempt of an imported competition takes."""
    return Assignment.open(settings, load_competition(settings.source / name), {})
