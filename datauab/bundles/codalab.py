"""Reads ``competition.yaml`` of CodaLab Competitions, version 1 and 1.5."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from datauab.bundles.description import (
    ColumnText,
    Computation,
    Description,
    Fields,
    PhaseText,
    Task,
    computation,
    digits,
    short,
)
from datauab.bundles.records import BundleError, Report

_HERE = "the club decides this itself"
_RESULTS = "members hand in results here, no programs are run for them"
_TOP = ("version", "title", "description", "image", "html", "phases", "leaderboard", "end_date")
_TOP_UNUSED = {
    "has_registration": "members of the club enter by themselves",
    "admin_names": "instructors of the club organise",
    "competition_docker_image": "the scoring program runs with the club's own Python and libraries",
    "force_submission_to_leaderboard": "the best attempt counts by itself here",
    "disallow_leaderboard_modifying": _HERE,
    "enable_per_submission_metadata": _HERE,
    "enable_detailed_results": "detailed results are not kept",
    "enable_forum": _HERE,
    "enable_medical_image_viewer": _HERE,
    "anonymous_leaderboard": "members choose a pseudonym themselves",
    "allow_teams": "set [teams] in competition.toml",
    "enable_teams": "set [teams] in competition.toml",
    "require_team_approval": "set [teams] in competition.toml",
    "allow_public_submissions": _HERE,
    "allow_organizer_teams": _HERE,
    "show_datasets_from_yaml": _HERE,
    "hide_top_three": _HERE,
    "hide_chart": _HERE,
    "reward": "write it into the summary",
    "url_redirect": _HERE,
    "queue": _HERE,
    "url": _HERE,
}
_PHASE = (
    "phasenumber", "label", "description", "start_date", "max_submissions", "max_submissions_per_day",
    "execution_time_limit", "auto_migration", "scoring_program", "reference_data", "public_data", "starting_kit",
    "is_parallel_parent", "parent_phasenumber",
)  # fmt: skip
_PHASE_UNUSED = {
    "is_scoring_only": "attempts are always scored",
    "input_data": _RESULTS,
    "ingestion_program": _RESULTS,
    "ingestion_program_docker_image": _RESULTS,
    "ingestion_program_only_during_scoring": _RESULTS,
    "scoring_program_docker_image": "the scoring program runs with the club's own Python and libraries",
    "default_docker_image": "the scoring program runs with the club's own Python and libraries",
    "disable_custom_docker_image": _HERE,
    "color": _HERE,
    "force_best_submission_to_leaderboard": "the best attempt counts by itself here",
    "leaderboard_management_mode": "see board = in the phase",
    "datasets": "external data: members must fetch it themselves",
    "delete_submissions_except_best_and_last": "every attempt is kept",
    "participant_max_storage_use": _HERE,
    "phase_never_ends": "a phase ends where the next one begins",
}
_BOARDS_UNUSED = {"column_groups": "columns stand beside each other", "groups": "columns stand beside each other"}
_COLUMN = ("leaderboard", "label", "rank", "sort", "numeric_format", "computed")
_COLUMN_UNUSED = {
    "column_group": "columns stand beside each other",
    "group": "columns stand beside each other",
    "selection_default": _HERE,
    "hidden": "the column is shown to organisers and members alike",
}


def describe(raw: dict[str, Any], report: Report) -> Description:
    """Read a version 1 or 1.5 bundle.

    Raises
    ------
    BundleError
        Where something is missing that a competition needs.
    """
    top = Fields(raw, "competition.yaml", report, _TOP, _TOP_UNUSED)
    title = top.text("title")
    if not title:
        raise BundleError("competition.yaml: expected a title, found none")
    html = top.get("html", {})
    if not isinstance(html, dict):
        raise BundleError(f"competition.yaml: html: expected names with files, found {short(html)}")
    if "terms" not in html:
        report.add("missing", "competition.yaml: html", "no page of terms")
    return Description(
        version=1,
        title=title,
        summary=top.text("description"),
        image=top.get("image"),
        terms=html.get("terms"),
        pages=tuple((str(name), path) for name, path in html.items() if name != "terms"),
        phases=_phases(top, report),
        columns=_columns(top, report),
        policy="best",
    )


def _phases(top: Fields, report: Report) -> tuple[PhaseText, ...]:
    raw = top.get("phases")
    if isinstance(raw, list):
        raw = dict(enumerate(raw, start=1))
    if not isinstance(raw, dict) or not raw:
        raise BundleError(f"competition.yaml: phases: expected phases by number, found {short(raw)}")
    found: list[tuple[float, int, PhaseText]] = []
    for key, item in raw.items():
        fields = Fields(item, f"competition.yaml: phases: {key}", report, _PHASE, _PHASE_UNUSED)
        if fields.flag("is_parallel_parent"):
            report.add("unused", fields.where, "the parent of parallel phases has no data of its own; left out")
            continue
        found.append((fields.count("phasenumber", len(found) + 1) or 0, len(found), _phase(fields)))
    if not found:
        raise BundleError("competition.yaml: phases: expected one that is no parent of others, found none")
    phases = [phase for _, _, phase in sorted(found, key=lambda item: item[:2])]
    ends = [*(phase.start for phase in phases[1:]), top.moment("end_date")]
    return tuple(replace(phase, end=end) for phase, end in zip(phases, ends, strict=True))


def _phase(fields: Fields) -> PhaseText:
    start = fields.moment("start_date")
    if start is None:
        raise BundleError(f"{fields.at('start_date')}: expected a time, found {short(fields.get('start_date'))}")
    name = fields.text("label", fields.where.rsplit(" ", 1)[-1])
    return PhaseText(
        name=name,
        description=fields.text("description"),
        start=start,
        end=None,
        per_day=fields.count("max_submissions_per_day", None),
        total=fields.count("max_submissions", None),
        seconds=fields.count("execution_time_limit", None),
        task=Task(name, fields.get("scoring_program"), fields.get("reference_data"), fields.where),
        migrates=fields.flag("auto_migration"),
        public_data=fields.get("public_data"),
        starting_kit=fields.get("starting_kit"),
        where=fields.where,
    )


def _columns(top: Fields, report: Report) -> tuple[ColumnText, ...]:
    where = "competition.yaml: leaderboard"
    board = Fields(top.get("leaderboard", {}), where, report, ("leaderboards", "columns"), _BOARDS_UNUSED)
    boards, columns = board.get("leaderboards", {}), board.get("columns")
    if not isinstance(columns, dict) or not columns:
        raise BundleError(f"{where}: columns: expected columns by key, found {short(columns)}")
    if not isinstance(boards, dict) or not boards:
        raise BundleError(f"{where}: leaderboards: expected one, found {short(boards)}")
    first = _first_board(boards, report)
    found: list[tuple[float, int, ColumnText]] = []
    for key, item in columns.items():
        fields = Fields(item, f"{where}: columns: {key}", report, _COLUMN, _COLUMN_UNUSED)
        of_board = fields.get("leaderboard")
        if isinstance(of_board, dict) and of_board.get("label") != first:
            report.add("unused", fields.where, "a column of another leaderboard; only the first is used")
            continue
        rank = fields.get("rank", 1)
        found.append((rank if isinstance(rank, (int, float)) else 1, len(found), _column(fields, str(key))))
    if not found:
        raise BundleError(f"{where}: columns: expected one of the leaderboard {short(first)}, found none")
    return tuple(column for _, _, column in sorted(found, key=lambda item: item[:2]))


def _first_board(boards: dict[Any, Any], report: Report) -> object:
    ranked: list[tuple[float, int, object]] = []
    for key, item in boards.items():
        fields = Fields(item, f"competition.yaml: leaderboard: leaderboards: {key}", report, ("label", "rank"))
        rank = fields.get("rank", 1)
        ranked.append((rank if isinstance(rank, (int, float)) else 1, len(ranked), item.get("label")))
    return min(ranked, key=lambda item: item[:2])[2]


def _column(fields: Fields, key: str) -> ColumnText:
    how: Computation | None = None
    of: tuple[str, ...] = ()
    computed = fields.get("computed")
    if isinstance(computed, dict):
        how = computation(fields, computed.get("operation"))
        names = computed.get("fields") or []
        listed = names if isinstance(names, list) else str(names).split(",")
        of = tuple(str(name).strip() for name in listed if str(name).strip())
        if how is None or not of:
            raise BundleError(f"{fields.at('computed')}: expected an operation and fields, found {short(computed)}")
    return ColumnText(
        key=key,
        title=fields.text("label", key),
        ascending=fields.text("sort", "desc").lower() == "asc",
        digits=digits(fields, "numeric_format"),
        computation=how,
        of=of,
    )
