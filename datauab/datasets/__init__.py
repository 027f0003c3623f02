"""Datasets: raw files from their sources, split by the deployment's secret, published read-only for every student.

`fetch` finds or downloads the raw files; `prepare` publishes the public part and gives the solution to its caller, who
hands it to `datauab.solutions`: this layer never opens a solution.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from functools import cache as remember
from pathlib import Path

from datauab.datasets import bitcoin, got, lesions, mnist
from datauab.datasets.declared import find_declared, load_declared
from datauab.datasets.publishing import intact, only_one, publish, recover
from datauab.datasets.records import AnyDataset, Dataset, Manifest, Plan, Prepared, Progress, quiet, read_manifest
from datauab.datasets.samples import SAMPLE, write_samples
from datauab.datasets.sources import Fetched, cache, identity, local
from datauab.datasets.sources import fetch as fetch_files
from datauab.datasets.splits import generator
from datauab.errors import DataError
from datauab.settings import Settings

__all__ = ["DATASETS", "Dataset", "Fetched", "Manifest", "Prepared", "fetch", "find", "known", "prepare"]

DATASETS: dict[str, AnyDataset] = {
    module.DATASET.name: module.DATASET for module in (bitcoin, got, mnist, lesions)
}  # fmt: skip
"""Every dataset of the club itself by its name; competitions may bring their own (`known`)."""

STAND_IN = "stand-in"


def find(settings: Settings, name: str) -> AnyDataset:
    """Give the dataset of a name: one of `DATASETS`, or the own data of a competition.

    Raises
    ------
    DataError
        Where there is none; names those that are.
    """
    if name in DATASETS:
        return DATASETS[name]
    declared = find_declared(settings, name)
    if declared is None:
        raise DataError(
            f"dataset {name!r}: expected one of {', '.join(known(settings))}; a competition brings its own with [data] "
            "in its competition.toml"
        )
    return declared


def known(settings: Settings) -> list[str]:
    """Name every dataset of the deployment, sorted."""
    return sorted({*DATASETS, *load_declared(settings)})


def fetch(settings: Settings, name: str, progress: Progress = quiet) -> Fetched:
    """Find the raw files on this machine or download them.

    Parameters
    ----------
    settings : Settings
        The deployment; its `raw` folder is asked first, then ``<state>/raw-cache``, then the original source.
    name : str
        The dataset.
    progress : callable
        Told about downloads.

    Raises
    ------
    DataError
        Where a file is damaged or another one than expected.
    """
    dataset = find(settings, name)
    fetched = _download(settings, dataset, progress)
    if fetched.complete and not fetched.downloaded:
        dataset.read(fetched.files)
    return fetched


def prepare(
    settings: Settings,
    name: str,
    secret: bytes,
    progress: Progress = quiet,
    *,
    stand_in: bool = False,
    download: bool = True,
) -> Prepared:
    """Publish a dataset's public files; quick where they stand already.

    Parameters
    ----------
    settings : Settings
        The deployment.
    name : str
        The dataset.
    secret : bytes
        The deployment's secret: decides which rows are tested, and every order.
    progress : callable
        Told about each step.
    stand_in : bool
        Make data up even where the real data could be had.
    download : bool
        Whether to ask the source where the raw files are not on this machine and a stand-in stands already.

    Returns
    -------
    Prepared
        Where the public files are, what they are, and the solution of the test rows.

    Raises
    ------
    DataError
        Where a raw file is damaged or another one than expected: it is refused, never replaced by a stand-in.
    """
    dataset = find(settings, name)
    folder = settings.public / name
    with only_one(cache(settings, name).with_suffix(".lock")):
        recover(folder)
        published = _published(folder)
        kept = published if _is_ours(published, dataset, secret, folder) else None
        fetched = Fetched() if stand_in else local(settings, dataset)
        if not stand_in and not fetched.complete:
            if kept is not None and (not kept.stand_in or not download):
                return Prepared(folder, kept, _Planner(dataset, {}, secret, kept.stand_in))
            fetched = _download(settings, dataset, progress)
        made_up = not fetched.complete
        if made_up and not stand_in:
            _allow_stand_in(name, published, fetched)
        raw = STAND_IN if made_up else identity(fetched.files)
        planned = _Planner(dataset, fetched.files, secret, made_up)
        if kept is not None and kept.raw == raw:
            return Prepared(folder, kept, planned, fetched.notes if made_up else ())
        manifest = _publish(dataset, folder, planned(), raw=raw, secret=secret, progress=progress)
    return Prepared(folder, manifest, planned, fetched.notes if made_up else (), changed=True)


def fingerprint(dataset: AnyDataset, raw: str, secret: bytes) -> str:
    """HMAC-SHA256 of a dataset's name, version and raw files under the deployment's secret, in hexadecimal."""
    words = f"{dataset.name}/{dataset.version}/{raw}".encode()
    return hmac.new(secret, words, hashlib.sha256).hexdigest()


def _download(settings: Settings, dataset: AnyDataset, progress: Progress) -> Fetched:
    """Find or download the raw files; what was downloaded and is wrong does not stay in the cache."""
    fetched = fetch_files(settings, dataset, progress)
    if fetched.complete and fetched.downloaded:
        try:
            dataset.read(fetched.files)
        except DataError as error:
            for path in fetched.downloaded:
                path.unlink()
            raise DataError(
                f"{error}; the download was removed: put the right file into the folder of DATAUAB_RAW, or ask for "
                f"made-up data: ./club data prepare {dataset.name} --stand-in"
            ) from error
    return fetched


def _allow_stand_in(name: str, published: Manifest | None, fetched: Fetched) -> None:
    """Refuse to replace real data, prepared or half there, by a stand-in that nobody asked for."""
    if fetched.incomplete:
        found = f"only {', '.join(str(path) for path in fetched.incomplete)}"
    elif published is not None and not published.stand_in:
        found = "none, though real data was prepared before (of another version, secret or state)"
    else:
        return
    raise DataError(
        f"dataset {name}: expected all raw files, found {found}. {'; '.join(fetched.notes)}. Put the files into the "
        f"folder of DATAUAB_RAW, or ask for made-up data: ./club data prepare {name} --stand-in"
    )


def _published(folder: Path) -> Manifest | None:
    try:
        return read_manifest(folder)
    except DataError:
        return None


def _is_ours(manifest: Manifest | None, dataset: AnyDataset, secret: bytes, folder: Path) -> bool:
    """Whether the public files are whole and are those that this version and secret make."""
    # what was published before there were samples in CSV is made anew, with the same split
    if manifest is None or not intact(folder, manifest) or not (folder / SAMPLE).is_file():
        return False
    return hmac.compare_digest(manifest.fingerprint, fingerprint(dataset, manifest.raw, secret))


class _Planner:
    """Reads the raw data and splits it when first asked, once."""

    def __init__(self, dataset: AnyDataset, files: Mapping[str, Path], secret: bytes, made_up: bool) -> None:
        self._parts = dataset, files, secret, made_up
        self._plan = remember(self._make)

    def __call__(self) -> Plan:
        return self._plan()

    def _make(self) -> Plan:
        dataset, files, secret, made_up = self._parts
        if made_up:
            return dataset.plan(dataset.make_stand_in(generator(secret, dataset.name, STAND_IN)), secret)
        if not files:
            raise DataError(
                f"dataset {dataset.name}: the public files stand, but the raw files are gone; expected them in the "
                f"folder of DATAUAB_RAW or in .club/raw-cache/{dataset.name}: run ./club data fetch {dataset.name}"
            )
        return dataset.plan(dataset.read(files), secret)


def _publish(dataset: AnyDataset, folder: Path, plan: Plan, *, raw: str, secret: bytes, progress: Progress) -> Manifest:
    made: list[Manifest] = []

    def build(fresh: Path) -> None:
        plan.write(fresh, progress)
        write_samples(fresh, plan)
        size = sum(path.stat().st_size for path in fresh.rglob("*") if path.is_file())
        manifest = Manifest(
            name=dataset.name,
            title=dataset.title,
            stand_in=raw == STAND_IN,
            source="made up: the real data could not be had" if raw == STAND_IN else dataset.source,
            licence=dataset.licence,
            rows=plan.rows,
            withheld=dataset.withheld,
            version=dataset.version,
            raw=raw,
            fingerprint=fingerprint(dataset, raw, secret),
            baselines=plan.baselines,
            size=size,
            target=dataset.target,
        )
        (fresh / "dataset.json").write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
        made.append(manifest)

    publish(folder, build)
    return made[0]
