"""Reads ``competition.yaml`` of Codabench, version 2."""

from __future__ import annotations

from typing import Any, Literal

from datauab.bundles.description import (
    ColumnText,
    Description,
    Fields,
    PhaseText,
    Task,
    as_list,
    computation,
    digits,
    short,
)
from datauab.bundles.phases import MANY
from datauab.bundles.records import BundleError, Report

_HERE = "the club decides this itself"
_RESULTS = "members hand in results here, no programs are run for them"
_TOP = ("version", "title", "description", "image", "terms", "pages", "tasks", "phases", "leaderboards")
_TOP_UNUSED = {
    "solutions": "sample solutions are not shown to members; hand them in yourself to try the scoring",
    "docker_image": "the scoring program runs with the club's own Python and libraries",
    "registration_auto_approve": "members of the club enter by themselves",
    "queue": _HERE,
    "competition_type": _HERE,
    "enable_detailed_results": "detailed results are not kept",
    "show_detailed_results_in_submission_panel": "detailed results are not kept",
    "show_detailed_results_in_leaderboard": "detailed results are not kept",
    "auto_run_submissions": "attempts are always scored at once",
    "can_participants_make_submissions_public": _HERE,
    "make_programs_available": "the scoring program stays with the grader",
    "make_input_data_available": _RESULTS,
    "fact_sheet": _HERE,
    "reward": "write it into the summary",
    "contact_email": "write it into the summary",
    "forum_enabled": _HERE,
    "report": _HERE,
}
_TASK = ("index", "name", "description", "scoring_program", "reference_data", "key", "is_public")
_TASK_UNUSED = {
    "input_data": _RESULTS,
    "ingestion_program": _RESULTS,
    "ingestion_only_during_scoring": _RESULTS,
}
_PHASE = (
    "index", "name", "description", "start", "end", "tasks", "max_submissions_per_day", "max_submissions",
    "execution_time_limit", "auto_migrate_to_this_phase", "public_data", "starting_kit",
)  # fmt: skip
_PHASE_UNUSED = {
    "solutions": _TOP_UNUSED["solutions"],
    "hide_output": "what the program prints is shown to organisers only",
    "hide_prediction_output": "members read their own attempts only",
    "hide_score_output": 'set board = "blind" in the phase where members must not see scores',
    "accepts_only_result_submissions": _RESULTS,
}
_BOARD = ("index", "title", "key", "primary_index", "submission_rule", "columns")
_BOARD_UNUSED = {"hidden": 'set board = "hidden" in the phases', "force_submission_to_leaderboard": _HERE}
_COLUMN = ("title", "key", "index", "sorting", "precision", "computation", "computation_indexes")
_COLUMN_UNUSED = {"hidden": "the column is shown to organisers and members alike"}
_RULES: dict[str, Literal["best", "last"]] = {
    "Add": "best",
    "Add_And_Delete": "best",
    "Add_And_Delete_Multiple": "best",
    "Force_Best": "best",
    "Force_Last": "last",
    "Force_Latest_Multiple": "last",
}


def describe(raw: dict[str, Any], report: Report) -> Description:
    """Read a version 2 bundle.

    Raises
    ------
    BundleError
        Where something is missing that a competition needs.
    """
    if "leaderboard" in raw and "leaderboards" not in raw:
        raise BundleError("competition.yaml: expected the key leaderboards, with a list, found leaderboard")
    top = Fields(raw, "competition.yaml", report, _TOP, _TOP_UNUSED)
    title = top.text("title")
    if not title:
        raise BundleError("competition.yaml: expected a title, found none")
    columns, policy = _leaderboard(top, report)
    return Description(
        version=2,
        title=title,
        summary=top.text("description"),
        image=top.get("image"),
        terms=top.get("terms"),
        pages=_pages(top, report),
        phases=_phases(top, _tasks(top, report), report),
        columns=columns,
        policy=policy,
    )


def _pages(top: Fields, report: Report) -> tuple[tuple[str, object], ...]:
    found = []
    for number, item in enumerate(as_list(top.get("pages"), "competition.yaml: pages")):
        page = Fields(item, f"competition.yaml: pages[{number}]", report, ("title", "file", "index"))
        found.append((page.text("title", f"page {number + 1}"), page.get("file")))
    if not found:
        report.add("missing", "competition.yaml: pages", "no page; Codabench refuses such a bundle")
    return tuple(found)


def _tasks(top: Fields, report: Report) -> dict[int, Task]:
    found: dict[int, Task] = {}
    for number, item in enumerate(as_list(top.get("tasks"), "competition.yaml: tasks")):
        where = f"competition.yaml: tasks[{number}]"
        fields = Fields(item, where, report, _TASK, _TASK_UNUSED)
        if fields.has("key"):
            raise BundleError(
                f"{where}: expected files, found the key {short(fields.get('key'))} of a task on a server; "
                "export the competition there with its files"
            )
        index = fields.get("index")
        if not isinstance(index, int) or isinstance(index, bool) or index in found:
            raise BundleError(f"{where}: expected an index of its own, found {short(index)}")
        found[index] = Task(
            fields.text("name", f"task {index}"), fields.get("scoring_program"), fields.get("reference_data"), where
        )
    if not found:
        raise BundleError("competition.yaml: tasks: expected at least one, found none")
    return found


def _phases(top: Fields, tasks: dict[int, Task], report: Report) -> tuple[PhaseText, ...]:
    items = [
        (Fields(item, f"competition.yaml: phases[{number}]", report, _PHASE, _PHASE_UNUSED), number)
        for number, item in enumerate(as_list(top.get("phases"), "competition.yaml: phases"))
    ]
    if not items:
        raise BundleError("competition.yaml: phases: expected at least one, found none")
    items.sort(key=lambda pair: (pair[0].get("index") if isinstance(pair[0].get("index"), int) else pair[1], pair[1]))
    return tuple(_phase(fields, number, tasks, report) for fields, number in items)


def _phase(fields: Fields, number: int, tasks: dict[int, Task], report: Report) -> PhaseText:
    indexes = as_list(fields.get("tasks"), fields.at("tasks"))
    wrong = [index for index in indexes if isinstance(index, (dict, list)) or index not in tasks]
    if wrong or not indexes:
        raise BundleError(f"{fields.at('tasks')}: expected indexes of tasks, found {short(wrong or indexes)}")
    if len(indexes) > 1:
        report.add("changed", fields.at("tasks"), f"{len(indexes)} tasks; attempts are scored with the first only")
    start = fields.moment("start")
    if start is None:
        raise BundleError(f"{fields.at('start')}: expected a time, found {short(fields.get('start'))}")
    total = fields.count("max_submissions", 100)
    return PhaseText(
        name=fields.text("name", f"phase {number + 1}"),
        description=fields.text("description"),
        start=start,
        end=fields.moment("end"),
        per_day=fields.count("max_submissions_per_day", 5),
        total=None if total is None or total >= MANY else total,
        seconds=fields.count("execution_time_limit", 600),
        task=tasks[indexes[0]],
        migrates=fields.flag("auto_migrate_to_this_phase"),
        public_data=fields.get("public_data"),
        starting_kit=fields.get("starting_kit"),
        where=fields.where,
    )


def _leaderboard(top: Fields, report: Report) -> tuple[tuple[ColumnText, ...], Literal["best", "last"]]:
    boards = as_list(top.get("leaderboards"), "competition.yaml: leaderboards")
    if not boards:
        raise BundleError("competition.yaml: leaderboards: expected one, found none")
    for number in range(1, len(boards)):
        report.add("unused", f"competition.yaml: leaderboards[{number}]", "only the first is used, as on Codabench")
    where = "competition.yaml: leaderboards[0]"
    board = Fields(boards[0], where, report, _BOARD, _BOARD_UNUSED)
    rule = board.text("submission_rule", "Add")
    if rule not in _RULES:
        report.add("changed", board.at("submission_rule"), f"expected one of {', '.join(_RULES)}, found {short(rule)}")
    elif rule.startswith("Add"):
        report.add("changed", board.at("submission_rule"), f"{rule}: the best attempt counts by itself here")
    items = [
        Fields(item, f"{where}: columns[{number}]", report, _COLUMN, _COLUMN_UNUSED)
        for number, item in enumerate(as_list(board.get("columns"), board.at("columns")))
    ]
    if not items:
        raise BundleError(f"{board.at('columns')}: expected at least one, found none")
    places = {_index(column.get("index", number)): column.text("key") for number, column in enumerate(items)}
    columns = [_column(column, places) for column in items]
    primary = _index(board.get("primary_index", 0))
    if primary not in places:
        report.add("changed", board.at("primary_index"), f"no column {short(primary)}; the first one ranks")
    ranking = places.get(primary, columns[0].key)
    columns.sort(key=lambda column: column.key != ranking)
    return tuple(columns), _RULES.get(rule, "best")


def _column(fields: Fields, places: dict[Any, str]) -> ColumnText:
    key = fields.text("key")
    if not key:
        raise BundleError(f"{fields.at('key')}: expected a key of the scores, found none")
    how = computation(fields, fields.get("computation"))
    indexes = fields.get("computation_indexes") or []
    indexes = indexes if isinstance(indexes, list) else str(indexes).split(",")
    of = tuple(places[index] for index in (_index(item) for item in indexes) if index in places)
    if how is not None and not of:
        raise BundleError(f"{fields.at('computation_indexes')}: expected indexes of columns, found {short(indexes)}")
    return ColumnText(
        key=key,
        title=fields.text("title", key),
        ascending=fields.text("sorting", "desc").lower() == "asc",
        digits=digits(fields, "precision"),
        computation=how,
        of=of if how else (),
    )


def _index(item: object) -> object:
    text = str(item).strip()
    return int(text) if text.isdecimal() and len(text) < 6 else item if not isinstance(item, (dict, list)) else None
