"""The errors a user can meet, each with its exit code.

Every message is one line that names the file, line and construct where there is one; `hint` says what to do.
"""


class NstkError(Exception):
    """Base of all errors nstk raises on purpose.

    Attributes:
        message: One line for the user.
        hint: What to do about it; may be empty.
        exit_code: The exit code of the command line (see `nstk --help`).
    """

    exit_code = 2

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(NstkError):
    """A bad option, domain or file."""

    exit_code = 2


class ToolError(NstkError):
    """A tool is missing, or a compiler failed."""

    exit_code = 3


class UnsupportedError(NstkError):
    """The program uses a construct nstk refuses."""

    exit_code = 4


class MisbehaviorError(NstkError):
    """The program crashed, hung, exited, returned NaN or infinity, or was nondeterministic when run."""

    exit_code = 5
