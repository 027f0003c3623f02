"""The one family of errors that this package raises.

Three of them are meant for students and carry a text that a student can act on: `InvalidSubmission`,
`PhaseClosed` and `LimitReached`. All others are for instructors and operators.
"""

from __future__ import annotations


class ClubError(Exception):
    """Root of every error that the platform raises on purpose.

    The message says what went wrong, where, what was expected and found, and the next step.
    """


class InvalidSubmission(ClubError):
    """What a student handed in cannot be scored; the message says which part and what was expected."""


class PhaseClosed(ClubError):
    """An attempt arrived when no phase of the competition was open."""


class LimitReached(ClubError):
    """An attempt would exceed a quota; the message says which one and when it is open again."""


class ConfigurationError(ClubError):
    """A settings file or competition.toml is wrong; the message names file, key, expected and found."""


class DataError(ClubError):
    """Raw or prepared data is missing, damaged or of the wrong shape."""


class SandboxUnavailable(ClubError):
    """No sandbox can be made on this machine; the message says what to install or allow."""


class GradingError(ClubError):
    """The platform, not the student, failed while grading; the attempt is not counted against anyone."""


class LedgerError(ClubError):
    """The ledger refused an operation, for example recording a result under a lease that is lost."""
