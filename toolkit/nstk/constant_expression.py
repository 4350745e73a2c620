"""Integer constant expressions of C: array sizes and the conditions of `#if`."""

import re
from collections.abc import Mapping

_TOKENS = re.compile(r"\w+|<<|>>|<=|>=|==|!=|&&|\|\||[^\s\w]", re.ASCII)
_LEVELS = (("||",), ("&&",), ("|",), ("^",), ("&",), ("==", "!="), ("<", ">", "<=", ">="), ("<<", ">>"))
_PRECEDENCE = {op: level for level, ops in enumerate((*_LEVELS, ("+", "-"), ("*", "/", "%"))) for op in ops}
_MAX_LENGTH = 500
_MAX_TOKENS = 80  # longer constant expressions, and macros that expand without end, are not worth reading


def evaluate(expression: str, macros: Mapping[str, str], unknown: int | None = None) -> int | None:
    """Return the value of an integer constant expression, or None where it is none.

    Args:
        expression: C text, for example `2 * ROWS + 1`.
        macros: Names and the text they stand for, expanded in turn.
        unknown: Value of other names; None makes them an error.
    """
    try:
        return _Expression(_expand(expression, macros, unknown)).value()
    except (ValueError, ZeroDivisionError):
        return None


def _expand(expression: str, macros: Mapping[str, str], unknown: int | None) -> list[str]:
    tokens: list[str] = []
    pending = [(token, frozenset[str]()) for token in reversed(_split(expression))]
    steps = 0
    while pending:
        token, hidden = pending.pop()
        steps += 1
        if steps > _MAX_TOKENS or len(pending) > _MAX_TOKENS:
            raise ValueError("too long")
        if not re.match(r"[A-Za-z_]", token):
            tokens.append(token)
        elif token in macros and token not in hidden:
            pending.extend((part, hidden | {token}) for part in reversed(_split(macros[token])))
        elif unknown is None:
            raise ValueError(f"unknown name {token}")
        else:
            tokens.append(str(unknown))
    return tokens


def _split(text: str) -> list[str]:
    if len(text) > _MAX_LENGTH:
        raise ValueError("too long")
    return _TOKENS.findall(text)


class _Expression:
    """Precedence climbing over the tokens of one constant expression."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens[::-1]

    def value(self) -> int:
        value = self._ternary()
        if self._tokens:
            raise ValueError("text after the expression")
        return value

    def _take(self) -> str:
        if not self._tokens:
            raise ValueError("the expression ends early")
        return self._tokens.pop()

    def _ternary(self) -> int:
        condition = self._binary(0)
        if not self._tokens or self._tokens[-1] != "?":
            return condition
        self._take()
        chosen = self._ternary()
        if self._take() != ":":
            raise ValueError("expected ':'")
        other = self._ternary()
        return chosen if condition else other

    def _binary(self, lowest: int) -> int:
        left = self._unary()
        while self._tokens and _PRECEDENCE.get(self._tokens[-1], -1) >= lowest:
            operator = self._take()
            left = _apply(operator, left, self._binary(_PRECEDENCE[operator] + 1))
        return left

    def _unary(self) -> int:
        token = self._take()
        if token in ("-", "+", "~", "!"):
            value = self._unary()
            return {"-": -value, "+": value, "~": ~value, "!": int(not value)}[token]
        if token == "(":
            value = self._ternary()
            if self._take() != ")":
                raise ValueError("expected ')'")
            return value
        digits = token.rstrip("uUlL")
        return int(digits, 8 if re.fullmatch(r"0[0-7]+", digits) else 0)


def _apply(operator: str, left: int, right: int) -> int:
    if operator in ("<<", ">>") and not 0 <= right < 64:
        raise ValueError("shift out of range")
    quotient = abs(left) // abs(right) if operator in ("/", "%") else 0
    quotient = quotient if (left < 0) == (right < 0) else -quotient
    value = {
        "||": lambda: int(bool(left or right)),
        "&&": lambda: int(bool(left and right)),
        "|": lambda: left | right,
        "^": lambda: left ^ right,
        "&": lambda: left & right,
        "==": lambda: int(left == right),
        "!=": lambda: int(left != right),
        "<": lambda: int(left < right),
        ">": lambda: int(left > right),
        "<=": lambda: int(left <= right),
        ">=": lambda: int(left >= right),
        "<<": lambda: left << right,
        ">>": lambda: left >> right,
        "+": lambda: left + right,
        "-": lambda: left - right,
        "*": lambda: left * right,
        "/": lambda: quotient,
        "%": lambda: left - quotient * right,
    }[operator]()
    if abs(value) >= 1 << 64:
        raise ValueError("too large")
    return value
