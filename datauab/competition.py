"""Frozen models of ``competition.toml``: what a competition asks for, when, and how it is scored."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from datauab.errors import ConfigurationError
from datauab.settings import Limits

OWN_METRICS = ("metric.py", "program")
"""Names of metrics that a competition brings itself."""

BoardView = Literal["public", "hidden", "blind"]
"""``public``: everybody sees the board. ``hidden``: members see their own scores only. ``blind``: not even those."""

FROM_FILE = "as in the file"
"""Value of a ruling that was undone: what ``competition.toml`` says holds again."""


class Record(BaseModel):
    """Base of the models below: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Predictions(Record):
    """What a submission must contain: one prediction for each row of the public test features, in their order.

    ``real``: one number a row. ``class``: one of `classes` a row. ``probability``: one number in [0, 1] a row, the
    probability of class 1. ``scores``: one number for each of `classes` and row, shape (rows, classes). ``files``: a
    zip of whatever files the competition's own scoring program reads (an imported bundle).
    """

    kind: Literal["real", "class", "probability", "scores", "files"]
    variable: str = Field("predictions", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    classes: tuple[int, ...] = ()
    class_names: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _classes_where_needed(self) -> Predictions:
        if self.kind in ("class", "scores") and len(self.classes) < 2:
            raise ValueError(f"kind {self.kind!r} needs `classes` with at least two entries")
        if self.class_names and len(self.class_names) != len(self.classes):
            raise ValueError(f"expected {len(self.classes)} class_names, found {len(self.class_names)}")
        return self


class Metric(Record):
    """The metric that ranks, by its name in `datauab.metrics`, and those shown beside it.

    Two names are no entries of `datauab.metrics`: ``metric.py`` is the competition's own function, in a file of that
    name beside ``competition.toml``; ``program`` is the scoring program of an imported bundle. Both run in a sandbox.
    """

    name: str
    direction: Literal["maximize", "minimize"]
    title: str = Field("", description="name shown for a metric of the competition's own")
    secondary: tuple[str, ...] = ()
    digits: int = Field(4, ge=0, le=10, description="digits shown; ranking uses full precision")
    timeout_s: int = Field(60, ge=1, le=3600, description="wall time of one run of the competition's own metric")

    @property
    def is_own(self) -> bool:
        """Whether the competition brings the code that scores."""
        return self.name in OWN_METRICS


def _in_utc(value: datetime | None) -> datetime | None:
    if value is not None and value.tzinfo is None:
        raise ValueError("expected a time with its offset, such as 2026-09-14T08:00:00Z")
    return value and value.astimezone(UTC)


Moment = Annotated[datetime, AfterValidator(_in_utc)]
"""An aware time, kept in UTC."""


class Phase(Record):
    """A time in which attempts are accepted; both ends in UTC, the end excluded.

    Its quotas, where given, take the place of the competition's.
    """

    name: str
    opens: Moment
    closes: Moment | None = None
    description: str = ""
    board: BoardView = "public"
    daily_scored: int | None = Field(None, ge=1)
    daily_attempts: int | None = Field(None, ge=1)
    total_scored: int | None = Field(None, ge=1, description="scored attempts in the whole phase")

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Phase:
        if self.closes is not None and self.closes <= self.opens:
            raise ValueError(f"phase {self.name!r}: expected it to close after it opens")
        return self

    def contains(self, moment: datetime) -> bool:
        """Whether attempts are accepted at `moment` (aware)."""
        return self.opens <= moment and (self.closes is None or moment < self.closes)


class Quotas(Record):
    """How many attempts one entrant (a member, or a team together) may make a day, the day of the club's zone.

    Only scored attempts, and those that wait for their score, count towards `daily_scored`; everything that was
    accepted and was not the platform's fault counts towards `daily_attempts`.
    """

    daily_scored: int = Field(5, ge=1)
    daily_attempts: int = Field(20, ge=1)


class Late(Record):
    """What happens to attempts after the last phase; without this table they are refused."""

    days: float = Field(gt=0, le=365, description="how long after the last phase attempts are still accepted")
    penalty_per_day: float = Field(0.1, ge=0, le=1, description="share of the marks lost for each day begun")
    ranked: bool = Field(False, description="whether late attempts count on the board")


class Teams(Record):
    """Teams; a `max_size` of 1 means that everybody enters alone."""

    max_size: int = Field(1, ge=1, le=100)
    merge_until: Moment | None = Field(None, description="teams change until then; by default until the last end")


class Rules(Record):
    """What a member must accept before the first attempt; an empty text asks for nothing."""

    text: str = ""

    @property
    def sha256(self) -> str:
        """Hash of the text: a changed text must be accepted again."""
        return hashlib.sha256(self.text.encode()).hexdigest()


class BoardRules(Record):
    """How boards are made from attempts.

    `ladder_step` above 0 turns on the Ladder mechanism (Blum and Hardt, 2015, arXiv:1502.04585): an entrant's public
    score changes only where a new attempt is better by more than the step, and is rounded to it.
    """

    policy: Literal["best", "last"] = "best"
    ladder_step: float = Field(0.0, ge=0)
    verified_tolerance: float = Field(1e-9, ge=0, description="largest difference at which a rerun reproduces a score")
    author_view: bool = Field(False, description="show authors the confusion or the residuals on the public rows")
    finalists: int = Field(2, ge=1, le=10, description="attempts that an entrant may select for the private board")


class Reveal(Record):
    """When the private board is shown: at `at`, else when the last phase ends; never by itself where not `auto`."""

    at: Moment | None = None
    auto: bool = True


class Points(Record):
    """Marks for a score: none at `begin`, all at `full`, linear between; `begin` > `full` where less is better.

    They come from the metric on all hidden rows (`rows` = "all"), or on the public ones alone ("public"): marks that a
    student sees while the competition runs then tell nothing about the private board.
    """

    begin: float
    full: float
    rows: Literal["all", "public"] = "public"

    @model_validator(mode="after")
    def _differ(self) -> Points:
        if self.begin == self.full:
            raise ValueError("begin and full must differ")
        return self

    def share(self, score: float) -> float:
        """Share of the points, in [0, 1], that `score` earns."""
        return min(1.0, max(0.0, (score - self.begin) / (self.full - self.begin)))


class Baseline(Record):
    """A row of the leaderboard that no member made.

    ``mean``, ``median``, ``majority``, ``prior`` predict one constant learnt from the training targets; ``reference``
    runs the post's own notebook through the whole grading path.
    """

    name: str
    strategy: Literal["mean", "median", "majority", "prior", "reference"]


class OwnData(Record):
    """The competition's own data: CSV files of one table, from which rows are hidden by the deployment's secret.

    The files lie in ``<raw>/<dataset>/`` or in ``gradebook/raw/<dataset>/``; several are read as one table.
    """

    target: str = Field(min_length=1, description="column to predict: numbers, classes, or `class_names`")
    id: str = Field("", description="column with another value in each row; row numbers where there is none")
    test_share: float = Field(0.2, gt=0, lt=1, description="share of the rows whose target is hidden")
    validation_share: float = Field(0.1, ge=0, lt=1, description="share of the rows published as validation part")
    group: str = Field("", description="rows with one value in this column are never parted")
    withheld: tuple[str, ...] = Field((), description="columns that the test rows lack, because they tell too much")
    source: str = "the organiser"
    licence: str = "for this competition only"

    @model_validator(mode="after")
    def _leaves_rows_to_learn_from(self) -> OwnData:
        if self.test_share + self.validation_share > 0.9:
            raise ValueError("test_share and validation_share together: expected 0.9 at most")
        if self.target in (self.id, self.group, *self.withheld):
            raise ValueError(f"target {self.target!r} is also named as id, group or withheld")
        return self


class Checkpoint(Record):
    """Training that is skipped while grading: the model is handed in with the notebook, and checked by its predictions.

    Attributes
    ----------
    file : str
        Name of the checkpoint beside the notebook, in the safetensors format.
    variable : str
        Name of the ``torch.nn.Module`` that gets its tensors.
    most_mb : int
        Largest size of the checkpoint, in MiB.
    predictions : str
        Name of the file of predictions (``.npy``) beside the notebook, which inference has to reproduce.
    tolerance : float
        Largest difference of a number, absolute and relative to the one handed in; classes must be equal.
    """

    file: str = Field("model.safetensors", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.safetensors$")
    variable: str = Field("model", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    most_mb: int = Field(64, ge=1)
    predictions: str = Field("predictions.npy", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.npy$")
    tolerance: float = Field(1e-4, ge=0, lt=1)


class RunLimits(Record):
    """Limits of a graded run where they differ from the deployment's; see `datauab.settings.Limits`."""

    memory_mb: int | None = Field(None, ge=256)
    processes: int | None = Field(None, ge=16)
    file_mb: int | None = Field(None, ge=1)
    scratch_mb: int | None = Field(None, ge=16)
    cpu_s: int | None = Field(None, ge=1)
    wall_s: int | None = Field(None, ge=1)
    predictions_mb: int | None = Field(None, ge=1)
    gpu: bool = False
    warm: bool = True
    checkpoint: Checkpoint | None = None

    def over(self, limits: Limits) -> Limits:
        """The deployment's `limits` with those replaced that the competition names."""
        return limits.model_copy(update=self.model_dump(exclude_none=True, exclude={"gpu", "warm", "checkpoint"}))


class Competition(Record):
    """One competition, as its ``competition.toml`` tells; `name` is the name of its folder."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    title: str
    summary: str
    authors: tuple[str, ...] = Field(min_length=1)
    date: date
    categories: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    cover: str
    dataset: str
    data: OwnData | None = None
    public_share: float = Field(gt=0, lt=1)
    predictions: Predictions
    metric: Metric
    phases: tuple[Phase, ...] = Field(min_length=1)
    quotas: Quotas = Quotas()
    late: Late | None = None
    teams: Teams = Teams()
    rules: Rules = Rules()
    board: BoardRules = BoardRules()
    reveal: Reveal = Reveal()
    points: Points
    baselines: tuple[Baseline, ...] = ()
    run: RunLimits = RunLimits()

    @model_validator(mode="after")
    def _files_need_a_program(self) -> Competition:
        if (self.predictions.kind == "files") != (self.metric.name == "program"):
            raise ValueError('predictions of kind "files" and the metric "program" go together')
        return self

    def phase_at(self, moment: datetime) -> Phase | None:
        """The phase that accepts attempts at `moment`, or None."""
        return next((phase for phase in self.phases if phase.contains(moment)), None)

    @property
    def ends(self) -> datetime | None:
        """End of the last phase; None where one has no end."""
        ends = [phase.closes for phase in self.phases]
        return None if None in ends else max(end for end in ends if end is not None)

    @property
    def late_until(self) -> datetime | None:
        """Until when late attempts are accepted; None where they are not."""
        return self.ends + timedelta(days=self.late.days) if self.late and self.ends else None

    @property
    def reveals(self) -> datetime | None:
        """When the private board is shown; None where no time is set."""
        return self.reveal.at or (self.ends if self.reveal.auto else None)

    def is_revealed(self, moment: datetime) -> bool:
        """Whether everybody may see private scores at `moment`."""
        return self.reveals is not None and moment >= self.reveals

    def board_at(self, moment: datetime) -> BoardView:
        """What members see of scores at `moment`: by the open phase, else by the one that ended last."""
        current = self.phase_at(moment)
        begun = [phase for phase in self.phases if phase.opens <= moment]
        phase = current or max(begun, key=lambda one: one.opens, default=None)
        return "public" if phase is None or self.is_revealed(moment) else phase.board

    def ruled(self, rulings: Mapping[str, Any]) -> Competition:
        """The competition under an organiser's decisions, which weigh more than the file.

        Parameters
        ----------
        rulings : mapping
            Any of ``closes`` (end of the last phase, ISO 8601 text, or None for no end), ``reveal_at`` (ISO 8601
            text), ``daily_scored``, ``daily_attempts`` (of the competition and of every phase that names its own),
            ``board`` (of every phase). Others are ignored, and those whose value is `FROM_FILE`.
        """
        rulings = {key: value for key, value in rulings.items() if value != FROM_FILE}
        phases = list(self.phases)
        changes: dict[str, Any] = {}
        if "closes" in rulings:
            end = rulings["closes"]
            phases[-1] = phases[-1].model_copy(update={"closes": datetime.fromisoformat(end) if end else None})
        if "board" in rulings:
            phases = [phase.model_copy(update={"board": rulings["board"]}) for phase in phases]
        quotas: dict[str, Any] = {
            key: int(rulings[key]) for key in ("daily_scored", "daily_attempts") if key in rulings
        }
        phases = [
            phase.model_copy(update={key: value for key, value in quotas.items() if getattr(phase, key) is not None})
            for phase in phases
        ]
        if "reveal_at" in rulings:
            changes["reveal"] = self.reveal.model_copy(update={"at": datetime.fromisoformat(rulings["reveal_at"])})
        return self.model_copy(
            update={**changes, "phases": tuple(phases), "quotas": self.quotas.model_copy(update=quotas)}
        )


def load_competition(folder: Path) -> Competition:
    """Read ``competition.toml`` of an assignment's source folder.

    Raises
    ------
    ConfigurationError
        Where the file is missing, is no TOML, or has a wrong, missing or unknown key: names file, key, expected
        and found.
    """
    path = folder / "competition.toml"
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigurationError(f"{path}: no such file; every folder of source/ needs one") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: not valid TOML: {error}") from error
    if "name" in raw:
        raise ConfigurationError(f"{path}: key name: expected none (the folder's name is used), found {raw['name']!r}")
    try:
        return Competition(name=folder.name, **raw)
    except ValidationError as error:
        lines = [_describe(item) for item in error.errors()]
        raise ConfigurationError(f"{path}: " + "; ".join(lines)) from error


def load_competitions(source: Path) -> dict[str, Competition]:
    """Read every competition below `source`, by name, in the order of their dates."""
    folders = [path.parent for path in sorted(source.glob("*/competition.toml"))]
    found = sorted((load_competition(folder) for folder in folders), key=lambda item: (item.date, item.name))
    return {competition.name: competition for competition in found}


def _describe(item: ErrorDetails) -> str:
    key = ".".join(str(part) for part in item["loc"]) or "(whole file)"
    if item["type"] == "missing":
        return f"key {key}: expected a value, found nothing"
    if item["type"] == "extra_forbidden":
        return f"key {key}: expected no such key, found {item['input']!r}"
    return f"key {key}: expected: {item['msg']}, found {item['input']!r}"
