"""Settings of one deployment: the only reader of the environment and of ``club.toml``.

Order of precedence: explicit arguments, environment variables (``DATAUAB_PORT``, ``DATAUAB_RAW``, ...; nested
ones with two underscores, ``DATAUAB_LIMITS__MEMORY_MB``), ``club.toml`` in the course's root, defaults.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from datauab.errors import ConfigurationError


class Limits(BaseModel):
    """What one run of a student's notebook may use while it is graded; a competition may lower or raise them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    memory_mb: int = Field(4096, ge=256, description="resident memory of all processes of the run together, in MiB")
    processes: int = Field(256, ge=16, description="processes and threads alive at one time")
    file_mb: int = Field(512, ge=1, description="size of one file, in MiB")
    scratch_mb: int = Field(1024, ge=16, description="all files the run writes, together, in MiB")
    cpu_s: int = Field(1800, ge=1, description="CPU time of one process, in seconds")
    wall_s: int = Field(900, ge=1, description="wall time of the whole run, in seconds")
    predictions_mb: int = Field(64, ge=1, description="size of the exported predictions, in MiB")


class Slurm(BaseModel):
    """What a job that grades asks of Slurm."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    partition: str = Field("", description="queue of the jobs; empty: the cluster's default")
    account: str = Field("", description="who pays; empty: the default")
    cores: int = Field(1, ge=1, description="cores of a job, and notebooks it runs at one time")
    memory_mb: int = Field(4096, ge=512, description="memory of a job, in MiB")
    walltime: str = Field("04:00:00", description="longest time of a job")
    gpus: int = Field(0, ge=0, description="GPUs of a job")
    extra: tuple[str, ...] = Field((), description="further options of sbatch, such as --constraint=avx512")
    wait_s: float = Field(600.0, gt=0, description="how long grading waits for the first job to begin, in seconds")


class Settings(BaseSettings):
    """One deployment: where its files lie, where it listens, and what a run may use.

    Attributes
    ----------
    root : Path
        The course's root: the folder of ``nbgrader_config.py``.
    state : Path
        What can be made again: environment, prepared public data, logs; and the students' homes. Git-ignored.
    raw : Path or None
        Folder of raw files, in their sources' layout, that is asked before any download.
    public : Path
        Read-only prepared data, one folder for each dataset.
    database : str
        SQLAlchemy URL of nbgrader's gradebook and the ledger.
    """

    model_config = SettingsConfigDict(
        env_prefix="DATAUAB_", env_nested_delimiter="__", extra="forbid", frozen=True, validate_default=True
    )

    root: Path
    state: Path = Path(".club")
    raw: Path | None = None
    public: Path = Path(".club/public")
    homes: Path = Path(".club/homes")
    gradebook: Path = Path("gradebook")
    database: str = ""

    club: str = "Data UAB"
    course: str = Field("data-uab", pattern=r"^[a-z0-9][a-z0-9_-]*$")
    timezone: str = "Europe/Madrid"
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)
    address: str = Field("", description="what browsers open, such as https://club.example.org; empty: host and port")
    internal_port: int = Field(0, ge=0, le=65532, description="first of the loopback ports; 0: public port + 1")
    instructors: tuple[str, ...] = ("instructor",)
    authenticator: str = Field("invite", description="'invite', or any class or entry point that JupyterHub accepts")
    signups: bool = True
    student_memory_mb: int = Field(4096, ge=512)
    idle_timeout_s: int = Field(3600, ge=60)
    upload_mb: int = Field(25, ge=1, description="largest submission accepted, in MiB")
    graders: int = Field(
        0, ge=0, le=1024, description="notebooks graded at one time, or jobs of Slurm; 0: one a core, or one job"
    )
    warm: bool = Field(True, description="kernels are forked from one that has loaded the course's packages")
    prewarm: bool = Field(True, description="they are ready before the first notebook comes, at about 1 GB of memory")
    cluster: str = Field("local", description="where the grader runs notebooks: 'local', 'slurm' or tls://HOST:PORT")
    cluster_certificates: Path | None = Field(None, description="folder of ca.pem, cert.pem and key.pem of a cluster")
    gpu_share: int = Field(1, ge=1, le=16, description="notebooks that share one GPU at one time")
    slurm: Slurm = Slurm()
    lease_s: float = Field(60.0, ge=6, description="silence after which a grader's attempt goes back to the queue")
    limits: Limits = Limits()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read ``club.toml`` of the root that the explicit arguments name, below the environment."""
        root = Path(init_settings()["root"])
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, root / "club.toml")

    def model_post_init(self, context: Any, /) -> None:
        """Make every path absolute (relative ones are relative to the root) and fill in what depends on it."""
        for name in ("root", "state", "raw", "public", "homes", "gradebook", "cluster_certificates"):
            path = getattr(self, name)
            if path is not None:
                object.__setattr__(self, name, (self.root / path.expanduser()).resolve())
        if not self.database:
            object.__setattr__(self, "database", f"sqlite:///{self.gradebook / 'gradebook.db'}")
        if not self.internal_port:
            object.__setattr__(self, "internal_port", self.port + 1)

    @property
    def source(self) -> Path:
        """Folder of the assignments' sources."""
        return self.root / "source"

    @property
    def solutions(self) -> Path:
        """Folder of the ground truths; only the grader opens it."""
        return self.gradebook / "solutions"

    @property
    def own_raw(self) -> Path:
        """Folder of the CSV files of competitions' own data: they hold the truth, so only the grader opens them."""
        return self.gradebook / "raw"

    @property
    def secrets(self) -> Path:
        """Folder of the deployment's keys, one file each, mode 0600."""
        return self.gradebook / "secrets"

    @property
    def attempts(self) -> Path:
        """Folder of the attempts' blobs, named by their SHA-256."""
        return self.gradebook / "attempts"

    @property
    def hub_port(self) -> int:
        """Loopback port of the hub's own API."""
        return self.internal_port

    @property
    def proxy_api_port(self) -> int:
        """Loopback port of the proxy's API."""
        return self.internal_port + 1

    @property
    def web_port(self) -> int:
        """Loopback port of the web service."""
        return self.internal_port + 2

    @property
    def heartbeat_s(self) -> float:
        """How often a grader says that it still works on an attempt, in seconds."""
        return self.lease_s / 6

    @property
    def web_prefix(self) -> str:
        """Path of the web service below the public address, with both slashes."""
        return "/services/club/"


def find_root(start: Path | None = None) -> Path:
    """Find the course's root: ``DATAUAB_ROOT``, or the nearest folder upwards that holds ``nbgrader_config.py``.

    Parameters
    ----------
    start : Path, optional
        Where the search begins; the working directory by default.

    Raises
    ------
    ConfigurationError
        Where no such folder exists.
    """
    named = os.environ.get("DATAUAB_ROOT")
    if named:
        return Path(named).resolve()
    begin = (start or Path.cwd()).resolve()
    for folder in (begin, *begin.parents):
        if (folder / "nbgrader_config.py").is_file() and (folder / "source").is_dir():
            return folder
    checkout = Path(__file__).resolve().parent.parent
    if (checkout / "nbgrader_config.py").is_file():
        return checkout
    raise ConfigurationError(
        f"no course found at {begin} or above: expected a folder with nbgrader_config.py and source/; "
        "change into the course's root or set DATAUAB_ROOT"
    )


def load_settings(root: Path | None = None, **overrides: Any) -> Settings:
    """Read the settings of the course at `root` (found from the working directory by default).

    Raises
    ------
    ConfigurationError
        Where a value is missing, unknown or of the wrong type; names the file, the key, expected and found.
    """
    where = (root or find_root()).resolve()
    try:
        return Settings(root=where, **overrides)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{where / 'club.toml'}: not valid TOML: {error}") from error
    except ValidationError as error:
        lines = [
            f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']} (found {item['input']!r})"
            for item in error.errors()
        ]
        raise ConfigurationError(
            f"{where / 'club.toml'} or a DATAUAB_ variable is wrong:\n  " + "\n  ".join(lines)
        ) from error


def export_environment(chosen: Mapping[str, object]) -> None:
    """Set ``DATAUAB_<KEY>`` for each setting in `chosen`, so that child processes see the same deployment."""
    for key, value in chosen.items():
        os.environ[f"DATAUAB_{key.upper()}"] = str(value)


class HubClientSettings(BaseModel):
    """What a process started by the hub (a student's server, a service) is told through its environment."""

    model_config = ConfigDict(frozen=True)

    user: str = ""
    token: str = ""
    web_url: str = Field("", description="address of the web service, with its prefix and a last slash; empty: none")
    public: Path | None = None


def hub_client_settings() -> HubClientSettings:
    """Read ``JUPYTERHUB_USER``, ``JUPYTERHUB_API_TOKEN``, ``DATAUAB_WEB_URL`` and ``DATAUAB_PUBLIC``."""
    public = os.environ.get("DATAUAB_PUBLIC")
    return HubClientSettings(
        user=os.environ.get("JUPYTERHUB_USER", ""),
        token=os.environ.get("JUPYTERHUB_API_TOKEN", ""),
        web_url=os.environ.get("DATAUAB_WEB_URL", ""),
        public=Path(public) if public else None,
    )
