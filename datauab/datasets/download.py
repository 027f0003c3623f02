"""Downloads that resume where they stopped, or start again, and are checked before they count."""

from __future__ import annotations

import hashlib
import logging
import shutil
from pathlib import Path
from typing import Any

from datauab.datasets.records import Progress, quiet
from datauab.errors import DataError

log = logging.getLogger(__name__)

ATTEMPTS = 3
"""How often one address is asked again after a transfer broke off."""

CONNECT_S = 5.0
READ_S = 30.0


def download(
    urls: tuple[str, ...], target: Path, sha256: str | None = None, progress: Progress = quiet
) -> tuple[Path | None, list[str]]:
    """Download one file from the first of `urls` that gives it.

    A transfer that breaks off is resumed with a range request where the server says by its ETag that the file is
    still the same one, and started again where it does not. What arrives counts only when its checksum is right.

    Parameters
    ----------
    urls : tuple of str
        Addresses of the same file.
    target : Path
        Where it is to lie; nothing lies there until the whole file is right.
    sha256 : str, optional
        What the file must have; unchecked where None.

    Returns
    -------
    Path or None
        `target`, or None where no address gave anything.
    list of str
        What each address that failed answered.

    Raises
    ------
    DataError
        Where an address gave a file and none gave the right one.
    """
    notes: list[str] = []
    wrong: list[str] = []
    target.parent.mkdir(parents=True, exist_ok=True)
    for url in urls:
        try:
            return _retrieve(url, target, sha256, progress), notes
        except _WrongContentError as error:
            wrong.append(str(error))
        except ConnectionError as error:
            notes.append(f"{url}: {error}")
        except OSError as error:
            raise DataError(f"{target}: cannot be written: {error.strerror}; make room or rights there") from error
    if wrong:
        raise DataError(
            f"{target.name}: the downloaded file is not the expected one: {'; '.join(wrong)}; "
            "try again from another network, or put the right file into the folder that DATAUAB_RAW names"
        )
    return None, notes


class _WrongContentError(Exception):
    """An address gave a whole file whose checksum is not the expected one."""


def _retrieve(url: str, target: Path, sha256: str | None, progress: Progress) -> Path:
    import pooch

    pooch.get_logger().setLevel(logging.ERROR)
    downloader = _Resuming(target, progress)
    for last in (False, True):
        try:
            known = sha256 and f"sha256:{sha256}"
            pooch.retrieve(url, known, fname=target.name, path=target.parent, downloader=downloader)
        except ValueError as error:
            if not downloader.sha256:
                raise ConnectionError(str(error)) from error
            # pooch's word for a wrong checksum. A resumed file may join two versions: once more, whole.
            if downloader.resumed and not last:
                log.info("%s: wrong checksum after a resumed transfer; starting again", url)
                continue
            raise _WrongContentError(f"{url}: expected sha256 {sha256}, found {downloader.sha256}") from error
        return target
    raise AssertionError("the loop returns or raises")


class _Resuming:
    """pooch's downloader: fills ``<target>.<url hash>.part``, which outlives a broken transfer."""

    def __init__(self, target: Path, progress: Progress) -> None:
        self._target = target
        self._progress = progress
        self.resumed = False
        self.sha256 = ""

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:
        import httpx

        mark = hashlib.sha256(url.encode()).hexdigest()[:8]
        part = self._target.with_name(f"{self._target.name}.{mark}.part")
        self.resumed, self.sha256 = False, ""
        with httpx.Client(timeout=httpx.Timeout(READ_S, connect=CONNECT_S), follow_redirects=True) as client:
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    self._transfer(client, url, part)
                    break
                except httpx.HTTPStatusError as error:
                    raise ConnectionError(f"answered {error.response.status_code}") from error
                except httpx.HTTPError as error:
                    arrived = part.stat().st_size if part.exists() else 0
                    log.info("%s: broke off after %d bytes (%s)", url, arrived, error)
                    # An address that gives nothing at all is not asked again: class rooms without network go on fast.
                    if attempt == ATTEMPTS or not arrived:
                        raise ConnectionError(f"{error or type(error).__name__} after {arrived} bytes") from error
        self.sha256 = _sha256(part)
        shutil.move(part, output_file)
        part.with_suffix(".etag").unlink(missing_ok=True)

    def _transfer(self, client: Any, url: str, part: Path) -> None:
        etag = part.with_suffix(".etag")
        have = part.stat().st_size if part.exists() and etag.exists() else 0
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers |= {"Range": f"bytes={have}-", "If-Range": etag.read_text()}
        with client.stream("GET", url, headers=headers) as response:
            if response.status_code != 416:
                response.raise_for_status()
                self._save(response, part, have if response.status_code == 206 else 0)
                return
        part.unlink()  # 416: the file there is shorter than the part kept here, so it is another one
        self._transfer(client, url, part)

    def _save(self, response: Any, part: Path, have: int) -> None:
        self.resumed = self.resumed or have > 0
        etag = response.headers.get("ETag", "")
        if etag and not etag.startswith("W/"):
            part.with_suffix(".etag").write_text(etag)
        else:
            part.with_suffix(".etag").unlink(missing_ok=True)
        total = have + int(response.headers.get("Content-Length") or 0)
        with part.open("ab" if have else "wb") as file:
            for block in response.iter_raw():
                file.write(block)
                have += len(block)
                self._progress(f"downloading {self._target.name}", have, total)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def from_kaggle(handles: tuple[str, ...], target: Path) -> tuple[Path | None, list[str]]:
    """Download `target`'s file from the first of these Kaggle datasets that holds it.

    Returns
    -------
    Path or None
        `target`, or None where Kaggle gave nothing.
    list of str
        Why, in words for the operator; where no Kaggle token is set, how to set one.
    """
    import kagglehub
    import kagglehub.config

    logging.getLogger("kagglehub").setLevel(logging.ERROR)
    if kagglehub.config.get_kaggle_credentials() is None:
        return None, [
            f"{target.name}: no Kaggle token is set; expected one in ~/.kaggle/kaggle.json or in KAGGLE_API_TOKEN "
            f"(make it at kaggle.com, Settings, API), or the file itself as {target.parent.name}/{target.name} in the "
            "folder that DATAUAB_RAW names"
        ]
    notes: list[str] = []
    target.parent.mkdir(parents=True, exist_ok=True)
    for handle in handles:
        try:
            got = Path(kagglehub.dataset_download(handle, path=target.name))
        except Exception as error:  # kagglehub lets errors of several libraries through
            notes.append(f"kaggle.com/datasets/{handle}: {type(error).__name__}: {error}".strip())
            continue
        part = target.with_name(f"{target.name}.part")
        shutil.copyfile(got, part)
        part.replace(target)
        return target, notes
    return None, notes
