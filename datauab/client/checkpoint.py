"""A trained model in a file beside the notebook, for competitions that do not train again while they grade."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datauab.errors import InvalidSubmission
from datauab.submission import to_npy, to_numbers
from datauab.submission.checkpoint import check_checkpoint

_LARGEST_MB = 1024  # the competition's own limit is smaller, and told when it is handed in


def save_checkpoint(model: Any, path: str = "model.safetensors") -> None:
    """Write the tensors of a model, and nothing that could run, into a file.

    Parameters
    ----------
    model : torch.nn.Module
        The trained model.
    path : str
        Where: beside the notebook, under the name that the competition gives.
    """
    from safetensors.torch import save_model

    save_model(model, path)
    print(f"checkpoint written: {path}, {Path(path).stat().st_size / 2**20:.1f} MiB")  # noqa: T201  told to a student


def load_checkpoint(model: Any, path: str = "model.safetensors") -> None:
    """Read a checkpoint into a model of the same architecture; the model is ready for inference after it.

    Parameters
    ----------
    model : torch.nn.Module
        Gets the tensors, where it has its own.

    Raises
    ------
    InvalidSubmission
        Where the file is missing, damaged, or of another model.
    """
    from safetensors.torch import load_model

    file = Path(path)
    if not file.is_file():
        raise InvalidSubmission(f"{path}: expected a checkpoint here, found none; datauab.save_checkpoint writes one")
    check_checkpoint(file.read_bytes(), path, _LARGEST_MB)
    try:
        load_model(model, path)
    except RuntimeError as error:  # names of tensors that are missing, or too many, or of another shape
        raise InvalidSubmission(
            f"{path}: its tensors are not those of this model ({str(error)[:500]}); save it again after the model's "
            "last change"
        ) from error
    model.eval()


def save_predictions(predictions: Any, path: str = "predictions.npy") -> None:
    """Write predictions beside the notebook, for the grader to compare with what the notebook computes.

    Parameters
    ----------
    predictions : array-like
        As the competition wants them.

    Raises
    ------
    InvalidSubmission
        Where they are no plain numbers.
    """
    content = to_npy(to_numbers(predictions, "predictions"))
    Path(path).write_bytes(content)
    print(f"predictions written: {path}, {len(content)} bytes")  # noqa: T201  told to a student
