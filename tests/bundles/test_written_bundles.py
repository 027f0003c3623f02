"""Bundles as people write them come in, and what does not go over is told."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from datauab import solutions
from datauab.autograde.outcome import read_outcome
from datauab.autograde.program import ProgramFailed, score_files
from datauab.bundles import BundleError, Imported, import_bundle
from datauab.cli.up import prepare
from datauab.competition import load_competitions
from datauab.errors import GradingError, InvalidSubmission
from datauab.grader.job import grade
from datauab.ledger import Ledger
from datauab.settings import Settings
from tests.bundles.making import PNG, SCORE, V2, V15, assignment, packed, program, v2_files, v15_files

ANSWER = packed({"answer.txt": "1\n2\n0\n9\n"})


def told(imported: Imported, kind: str, part: str) -> bool:
    """Whether a remark of that kind names `part`."""
    return any(remark.kind == kind and part in f"{remark.where} {remark.text}" for remark in imported.remarks)


@pytest.mark.sandbox
def test_a_version_2_bundle_scores_two_phases(fresh: Settings) -> None:
    imported = import_bundle(fresh, packed(v2_files()))
    found = imported.competition
    assert found.name == "guess-the-numbers"
    assert (found.metric.name, found.metric.title, found.metric.direction) == ("program", "Mean error", "minimize")
    assert (found.metric.secondary, found.metric.digits, found.metric.timeout_s) == (("hits",), 3, 600)
    (phase,) = found.phases
    assert (phase.opens, phase.closes) == (
        datetime(2026, 1, 1, tzinfo=UTC),
        datetime(2026, 6, 1, 12, 30, tzinfo=UTC),
    )
    assert (phase.daily_scored, phase.total_scored) == (3, 40)
    assert found.reveals == phase.closes
    assert found.board.policy == "last"
    assert found.rules.text == "Be fair."
    scores, full = score_files(assignment(fresh, found.name), ANSWER)
    assert (scores.public, scores.private, full) == (2.0, 0.75, 0.75)
    assert scores.secondary == {"hits": {"public": 0.5, "private": 0.75}}
    assert (scores.interval_low, scores.interval_high) == (2.0, 2.0)
    assert told(imported, "unused", "docker_image")
    assert told(imported, "changed", "becomes the private board")


@pytest.mark.sandbox
def test_the_grader_scores_an_attempt_in_the_ledger(fresh: Settings, tmp_path: Path) -> None:
    import_bundle(fresh, packed(v2_files()), "guess")
    outcomes = []
    with Ledger.open(fresh) as ledger:
        for number, blob in enumerate((ANSWER, packed({"other.txt": "1"}))):
            attempt = ledger.add_attempt(competition="guess", member="ana", blob=blob, kind="predictions")
            folder = tmp_path / str(number)
            folder.mkdir()
            grade(fresh, attempt.id, folder)
            outcomes.append(read_outcome(folder / "outcome.json"))
    good, bad = outcomes
    assert good is not None
    assert good.scores is not None
    assert (good.record().public, good.record().private) == (2.0, 0.75)
    assert bad is not None
    assert "gave no score for these files" in bad.reason
    assert "answer.txt" not in bad.reason


@pytest.mark.sandbox
def test_a_version_15_bundle_scores(fresh: Settings) -> None:
    imported = import_bundle(fresh, packed(v15_files()), "counting")
    found = imported.competition
    assert (found.metric.title, found.metric.direction, found.metric.secondary) == ("Hits", "maximize", ("error",))
    assert [(phase.name, phase.closes) for phase in found.phases] == [
        ("Practice", datetime(2020, 3, 1, tzinfo=UTC)),
        ("Challenge", datetime(2030, 12, 31, tzinfo=UTC)),
    ]
    assert [phase.total_scored for phase in found.phases] == [100, 10]
    assert found.rules.text == "Obey & smile."
    scores, _ = score_files(assignment(fresh, "counting"), packed({"answer.txt": "1\n2\n5\n4\n", "__MACOSX/x": "j"}))
    assert (scores.public, scores.private) == (0.75, 0.5)
    assert scores.secondary["error"] == {"public": 0.5, "private": (4 + 3) / 4}
    assert told(imported, "changed", "folder program/")
    assert told(imported, "unused", "admin_names")


def test_reference_data_and_program_are_for_the_grader_only(fresh: Settings) -> None:
    import_bundle(fresh, packed(v2_files()), "secret")
    for path in (fresh.solutions / "secret").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((fresh.solutions / "secret").stat().st_mode) == 0o700
    seen = {path.relative_to(fresh.public / "secret").as_posix() for path in (fresh.public / "secret").rglob("*.*")}
    assert seen == {"train.csv", "starting_kit/README.md", "pages/overview.html", "dataset.json", "competition.json"}
    assert {path.name for path in (fresh.source / "secret").rglob("*") if path.is_file()} == {
        "competition.toml",
        "cover.png",
    }
    marker = solutions.read(fresh, "secret")
    assert len(marker.array) == 0
    assert marker.sha256 == solutions.read_program(fresh, "secret").sha256


def test_the_club_starts_with_an_imported_competition(fresh: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATAUAB_ROOT", str(fresh.root))
    import_bundle(fresh, packed(v2_files()), "guess")
    prepare(fresh)
    assert list(load_competitions(fresh.source)) == ["guess"]


def test_unknown_keys_are_told_each_with_its_place(fresh: Settings) -> None:
    text = V2.replace("title: Guess", "titel: x\ntitle: Guess").replace(
        "name: Development\n    start", "nmae: x\n    start"
    )
    text = text.replace("{title: Hits,", "{title: Hits, colour: red,")
    bundle = v2_files(**{
        "competition.yaml": text,
        "scoring_program.zip": packed({"metadata": "command: python3 score.py\nauthor: me\n", "score.py": SCORE}),
    })  # fmt: skip
    imported = import_bundle(fresh, packed(bundle))
    unknown = {remark.where for remark in imported.remarks if remark.kind == "unknown"}
    assert unknown == {
        "competition.yaml: titel",
        "competition.yaml: phases[0]: nmae",
        "competition.yaml: leaderboards[0]: columns[0]: colour",
        "competition.yaml: tasks[0]: scoring_program: metadata: author",
    }


def test_missing_files_are_told(fresh: Settings) -> None:
    gone: dict[str, None] = dict.fromkeys(
        (
            "logo.png",
            "terms.md",
            "pages/overview.html",
            "reference_dev.zip",
            "public_data.zip",
            "starting_kit/README.md",
        )
    )
    imported = import_bundle(fresh, packed(v2_files(**gone)))
    missing = {remark.where for remark in imported.remarks if remark.kind == "missing"}
    assert missing == {
        "competition.yaml: image",
        "terms",
        "page 'Overview'",
        "competition.yaml: tasks[0]: reference_data",
        "competition.yaml: phases[0]: public_data",
        "competition.yaml: phases[0]: starting_kit",
    }


def test_a_program_without_metadata_is_told(fresh: Settings) -> None:
    imported = import_bundle(fresh, packed(v2_files(**{"scoring_program.zip": packed({"score.py": SCORE})})), "one")
    assert told(imported, "missing", "no metadata")
    with pytest.raises(BundleError, match=r"expected metadata.yaml or metadata with a command, found thing.py"):
        import_bundle(fresh, packed(v2_files(**{"scoring_program.zip": packed({"thing.py": SCORE})})), "two")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"scoring_program.zip": None}, "scoring_program: expected a program"),
        ({"competition.yaml": V2.replace("leaderboards:", "leaderboard:")}, "expected the key leaderboards"),
        ({"competition.yaml": V2.replace("tasks: [0]", "tasks: [7]")}, r"phases\[0\]: tasks: expected indexes"),
        (
            {"competition.yaml": V2.replace("index: 1\n    name: Final\n    sc", "index: 0\n    name: F\n    sc")},
            "index",
        ),
        ({"competition.yaml": V2.replace("title: Guess the numbers", "")}, "expected a title"),
        ({"competition.yaml": V2.replace("'2026-01-01T00:00:00Z'", "soon")}, "expected a time, found 'soon'"),
        ({"competition.yaml": V2.replace("name: Development\n    sc", "key: abc\n    sc")}, "on a server"),
        ({"competition.yaml": V2.replace("version: 2", "version: 3")}, "expected 2, 1.5 or 1, found 3"),
        ({"competition.yaml": None}, "expected competition.yaml at its top"),
        ({"scoring_program.zip": program(command="'")}, "cannot be read"),
        ({"scoring_program.zip": packed({"metadata": "description: x"})}, "expected a command"),
    ],
)
def test_what_a_competition_needs_is_asked_for(
    change: dict[str, str | None], match: str, fresh: Settings, nothing_left: object
) -> None:
    with pytest.raises(BundleError, match=match):
        import_bundle(fresh, packed(v2_files(**change)))
    assert callable(nothing_left)
    nothing_left()


def test_times_are_taken_as_written_and_doubtful_ones_told(fresh: Settings) -> None:
    text = V2.replace("'2026-01-01T00:00:00Z'", "2026-01-01 08:15:00").replace(
        "end: '2026-06-01T12:30:00Z'", "end: '2026-06-01 12:30 +02:00'"
    )
    imported = import_bundle(fresh, packed(v2_files(**{"competition.yaml": text})))
    (phase,) = imported.competition.phases
    assert (phase.opens, phase.closes) == (
        datetime(2026, 1, 1, 8, 15, tzinfo=UTC),
        datetime(2026, 6, 1, 10, 30, tzinfo=UTC),
    )
    assert told(imported, "warning", "Codabench reads midnight")
    assert told(imported, "warning", "loses the offset")


def test_american_dates_as_in_public_bundles(fresh: Settings) -> None:
    text = V2.replace("'2026-01-01T00:00:00Z'", "1-2-2026").replace("end: '2026-06-01T12:30:00Z'", "end: 12-31-2026")
    (phase,) = import_bundle(fresh, packed(v2_files(**{"competition.yaml": text}))).competition.phases
    assert (phase.opens.month, phase.opens.day, phase.closes and phase.closes.day) == (1, 2, 31)


def test_a_bundle_in_a_folder_and_a_leak_are_told(fresh: Settings) -> None:
    truth = "0.123\n0.456\n0.789\n0.111\n"
    files = v2_files(**{"reference_dev.zip": packed({"truth.txt": truth}), "public_data.zip": packed({"t.csv": truth})})
    imported = import_bundle(fresh, packed({f"my bundle/{name}": content for name, content in files.items()}))
    assert told(imported, "changed", "my bundle/")
    assert told(imported, "warning", "t.csv the public data holds")


def test_programs_that_look_wrong_are_told(fresh: Settings) -> None:
    wrong = packed({
        "metadata.yaml": "command: python2 /app/program/scorer.py $ingestion_program",
        "score.py": "import pickle\n" + SCORE,
    })  # fmt: skip
    imported = import_bundle(fresh, packed(v2_files(**{"scoring_program.zip": wrong})))
    assert told(imported, "warning", "'python2', which is not installed")
    assert told(imported, "missing", "/app/program/scorer.py, which the program lacks")
    assert told(imported, "warning", "$ingestion_program")
    assert told(imported, "warning", "reads pickles")


def test_a_name_is_never_taken_twice(fresh: Settings) -> None:
    import_bundle(fresh, packed(v2_files()), "guess")
    before = (fresh.source / "guess" / "competition.toml").read_bytes()
    for name, match in (
        ("guess", "is there already"),
        ("mnist", "dataset of the club"),
        ("../x", "expected lower-case"),
    ):
        with pytest.raises(BundleError, match=match):
            import_bundle(fresh, packed(v2_files()), name)
    assert (fresh.source / "guess" / "competition.toml").read_bytes() == before


def test_texts_of_any_kind_survive_the_description(fresh: Settings) -> None:
    title = 'Quotes " \\ and ünïcödé 🎲 and \x7f'
    text = V2.replace("title: Guess the numbers", f"title: {json.dumps(title)}")
    found = import_bundle(fresh, packed(v2_files(**{"competition.yaml": text, "terms.md": 'a "b"\n\\c\n'})), "odd")
    assert found.competition.title == title
    assert found.competition.rules.text == 'a "b"\n\\c'


@pytest.mark.sandbox
def test_columns_computed_from_others(fresh: Settings) -> None:
    text = V2.replace("primary_index: 1", "primary_index: 2") + (
        "      - {title: Mean, key: mean, index: 2, sorting: asc, computation: avg, computation_indexes: [0, 1]}\n"
    )
    import_bundle(fresh, packed(v2_files(**{"competition.yaml": text})), "mean")
    scores, _ = score_files(assignment(fresh, "mean"), ANSWER)
    assert scores.public == (0.5 + 2.0) / 2
    assert set(scores.secondary) == {"hits", "error"}


@pytest.mark.sandbox
def test_one_reference_for_all_phases_gives_one_score(fresh: Settings) -> None:
    text = V2.replace("reference_data: reference_final", "reference_data: reference_dev.zip")
    imported = import_bundle(fresh, packed(v2_files(**{"competition.yaml": text})), "same")
    assert told(imported, "changed", "public and private score are the same")
    assert len(imported.competition.phases) == 2
    scores, _ = score_files(assignment(fresh, "same"), ANSWER)
    assert scores.public == scores.private == 2.0


@pytest.mark.sandbox
def test_a_submission_is_refused_in_words_of_its_own(fresh: Settings) -> None:
    import_bundle(fresh, packed(v2_files()), "guess")
    found = assignment(fresh, "guess")
    with pytest.raises(ProgramFailed, match="gave no score for these files") as caught:
        score_files(found, packed({"other.txt": "1"}))
    assert "answer.txt" in caught.value.detail
    with pytest.raises(InvalidSubmission, match="names a command"):
        score_files(found, packed({"metadata": "command: python run.py", "run.py": ""}))
    with pytest.raises(InvalidSubmission, match="archive is empty"):
        score_files(found, packed({"__MACOSX/x": ""}))
    with pytest.raises(InvalidSubmission, match="expected a zip file"):
        score_files(found, b"1\n2\n")


def test_damage_to_the_graders_files_is_noticed(fresh: Settings) -> None:
    import_bundle(fresh, packed(v2_files()), "guess")
    path: Path = fresh.solutions / "guess" / "reference-public.zip"
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(GradingError, match="expected SHA-256"):
        solutions.read_program(fresh, "guess")


def test_a_correction_of_the_reference_changes_the_hash(fresh: Settings) -> None:
    import_bundle(fresh, packed(v2_files()), "one")
    import_bundle(fresh, packed(v2_files(**{"reference_dev.zip": packed({"truth.txt": "1\n2\n3\n5\n"})})), "two")
    assert solutions.read(fresh, "one").sha256 != solutions.read(fresh, "two").sha256


def test_a_version_15_bundle_needs_its_leaderboard(fresh: Settings) -> None:
    text = V15.partition("leaderboard:\n    leaderboards")[0]
    with pytest.raises(BundleError, match="leaderboard: columns: expected columns by key"):
        import_bundle(fresh, packed(v15_files(**{"competition.yaml": text})))


def test_the_cover_is_the_bundles_picture(fresh: Settings) -> None:
    import_bundle(fresh, packed(v2_files()), "png")
    assert (fresh.source / "png" / "img" / "cover.png").read_bytes() == PNG
    svg = v2_files(**{"logo.svg": "<svg onload='alert(1)'/>", "competition.yaml": V2.replace("logo.png", "logo.svg")})
    imported = import_bundle(fresh, packed(svg), "svg")
    assert told(imported, "changed", "a plain cover is made")
    assert b"onload" not in (fresh.source / "svg" / "img" / "cover.svg").read_bytes()
