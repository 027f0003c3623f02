"""Certificates by which the scheduler, the workers and the grader of one cluster know each other."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from datauab.errors import ConfigurationError

NAMES = ("ca.pem", "cert.pem", "key.pem")
"""Files of a folder of certificates: the authority, the certificate that all members share, and its key."""

_DAYS = 730
_ADVICE = "make them once with ./club cluster certificates FOLDER, and copy the folder to every machine of the cluster"


def make_certificates(folder: Path) -> None:
    """Write the files `NAMES` (mode 0600) into a new folder (0700), valid for two years (elliptic curve P-256).

    The authority's own key is thrown away, so no further certificate can be made.

    Raises
    ------
    ConfigurationError
        Where the folder holds such files already: workers that have them would be locked out.
    """
    there = [name for name in NAMES if (folder / name).exists()]
    if there:
        raise ConfigurationError(f"{folder}: expected no certificates yet, found {there[0]}; choose another folder")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _certificate("club cluster", authority, authority, is_authority=True)
    own = _certificate("club worker", key, authority, is_authority=False)
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    for name, content in zip(NAMES, (root.public_bytes(pem), own.public_bytes(pem), private), strict=True):
        descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)


def certificate_files(folder: Path | None) -> tuple[str, str, str]:
    """Absolute paths of the files `NAMES` in `folder`.

    Raises
    ------
    ConfigurationError
        Where there is no folder, or one of them is missing.
    """
    if folder is None:
        raise ConfigurationError(
            "no certificates of the cluster: expected a folder that cluster_certificates of club.toml names, found "
            f"none; {_ADVICE}"
        )
    missing = [name for name in NAMES if not (folder / name).is_file()]
    if missing:
        raise ConfigurationError(f"{folder}: expected {', '.join(NAMES)}, found no {missing[0]}; {_ADVICE}")
    ca, cert, key = (str((folder / name).resolve()) for name in NAMES)
    return ca, cert, key


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey, *, is_authority: bool
) -> x509.Certificate:
    now = datetime.now(UTC)
    public, by = key.public_key(), signer.public_key()
    builder = (
        x509.CertificateBuilder()
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "club cluster")]))
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # clocks of machines differ
        .not_valid_after(now + timedelta(days=_DAYS))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=0 if is_authority else None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by), critical=False)
    )
    return builder.sign(signer, hashes.SHA256())
