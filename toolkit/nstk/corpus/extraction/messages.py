"""Statements that only say something: calls with a text among their arguments, and assertions.

A numeric function's value does not depend on what it prints, but printing would keep it from being self-contained.
"""

import re
from collections.abc import Callable

_STRING = r'"(?:\\.|[^"\\\n])*"'
_PLAIN = rf"""(?:[^()"';{{}}]|{_STRING}|'(?:\\.|[^'\\])')"""
_ARGUMENTS = rf"\((?:{_PLAIN}|\((?:{_PLAIN}|\((?:{_PLAIN}|\({_PLAIN}*\))*\))*\))*\)"
_CALL = re.compile(
    rf"((?:^|(?<=[;{{}})])|(?<=\belse))\s*)((?:\(void\)\s*)?((?:[A-Za-z_]\w*(?:->|\.))*[A-Za-z_]\w*)\s*({_ARGUMENTS})\s*;)",
    re.ASCII,
)
_ASSERTION = re.compile(r"\b(?!\w*return)\w*assert\w*|\bDCHECK\w*", re.ASCII | re.IGNORECASE)
_TELLING = re.compile(r'"|\b__FILE__\b|#\s*\w')
_KEYWORDS = frozenset("if for while switch return sizeof asm __asm __asm__ volatile __volatile__".split())  # noqa: SIM905
_WRITING = re.compile(r"(?:^|[(,])\s*&|=(?!=)|\+\+|--")


def drop_messages(text: str, acts: Callable[[str], bool]) -> str:
    """Replace such statements by empty ones.

    Args:
        text: A function's body or a macro's, without comments.
        acts: Tells of a name whether it is a macro that does more than call something.
    """
    if '"' not in text and "__FILE__" not in text and "#" not in text and not _ASSERTION.search(text):
        return text

    def shorten(match: re.Match[str]) -> str:
        before, _, name, arguments = match.groups()
        if name in _KEYWORDS or _WRITING.search(re.sub(_STRING, "", arguments[1:-1])):
            return match[0]
        tells = _TELLING.search(arguments) and not acts(name)
        return f"{before};" if tells or _ASSERTION.fullmatch(name) else match[0]

    return _CALL.sub(shorten, text)
