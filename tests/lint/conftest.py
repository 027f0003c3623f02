"""The four competitions on real data, and small ones made to have one fault each."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from datauab import solutions
from datauab.datasets.publishing import size_of
from datauab.datasets.records import Manifest
from datauab.scaffold import Plan, scaffold
from datauab.settings import Settings

COMPETITIONS = ("bitcoin", "got", "mnist", "lesions")


@pytest.fixture(scope="session")
def club(tmp_path_factory: pytest.TempPathFactory, checkout: Path, raw: Path) -> Settings:
    """Give a root with the shipped competitions, prepared from real raw files."""
    from datauab.cli.data import prepare_datasets

    root = tmp_path_factory.mktemp("club")
    for name in COMPETITIONS:
        shutil.copytree(checkout / "source" / name, root / "source" / name)
    (root / "gradebook").mkdir(mode=0o700)
    settings = Settings(root=root, raw=raw)
    prepare_datasets(settings, COMPETITIONS)
    return settings


Publish = Callable[..., Settings]


@pytest.fixture
def publish(tmp_path: Path) -> Publish:
    """Publish a competition ``toy`` whose sides the test chose itself, as somebody without this platform would."""

    def make(
        train: pd.DataFrame,
        test: pd.DataFrame,
        truth: np.ndarray,
        target: str,
        *,
        plan: Plan | None = None,
        ids: list[str] | None = None,
        toml: tuple[tuple[str, str], ...] = (),
    ) -> Settings:
        settings = Settings(root=tmp_path)
        made = scaffold(settings, "toy", plan or Plan("real", target))
        path = made.folder / "competition.toml"
        for old, new in toml:
            assert old in path.read_text()
            path.write_text(path.read_text().replace(old, new, 1))
        folder = settings.public / "toy"
        folder.mkdir(parents=True)
        train.to_csv(folder / "train.csv", index=False)
        test.to_csv(folder / "test.csv", index=False)
        keys = ids or [str(row) for row in range(len(test))]
        pd.DataFrame({"id": keys, "prediction": train[target].iloc[0]}).to_csv(
            folder / "sample_submission.csv", index=False
        )
        constants = {"mean": float(train[target].mean())} if truth.dtype.kind == "f" else {"majority": 0.0}
        manifest = Manifest(
            name="toy", title="Toy", stand_in=False, source="a test", licence="none", withheld=(target,), version=1,
            rows={"train": len(train), "validation": 0, "test": len(test)}, raw="r", fingerprint="f" * 64,
            baselines=constants, size=size_of(folder), target=target,
        )  # fmt: skip
        (folder / "dataset.json").write_text(manifest.model_dump_json())
        solutions.write(settings, "toy", truth, manifest.fingerprint)
        return settings

    return make
