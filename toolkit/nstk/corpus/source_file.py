"""What every source gives: files of C."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SourceFile:
    """One file of C or C++.

    Attributes:
        package: Package or repository it belongs to.
        path: Path inside the package, with slashes.
        text: Its content, with plain newlines.
        licence: SPDX expression of the package, or what the source says.
    """

    package: str
    path: str
    text: str
    licence: str = ""
