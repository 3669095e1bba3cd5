"""What a C++ header declares in namespace AscendC, as text that two headers can be compared by.

For headers of our own, after the preprocessor: no comments, no strings with braces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

TOKEN = re.compile(r"""::|\w+|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\S""")
MARKS = {"inline", "explicit", "static", "constexpr", "__attribute__((device))", "noexcept"}
ACCESS = {"public": True, "private": False, "protected": False}
OPENING, CLOSING = "([{", ")]}"


def declarations(preprocessed: str) -> set[str]:
    """Functions, fields, enumerators and types of AscendC that a kernel may name, one line each.

    Names of parameters, bodies and what only the emulator has (a parameter of type Site, whatever
    speaks of `emulator`, special members) are left out; so is const on a value.
    """
    text = re.sub(r"__attribute__\s*\(\(device\)\)", " ", preprocessed)
    tokens = TOKEN.findall(text)
    return {
        one
        for at, token in enumerate(tokens)
        if token == "{" and tokens[at - 2 : at] == ["namespace", "AscendC"]
        for one in _members(tokens[at + 1 : _closing(tokens, at)], "", shown=True)
    }


def _statements(tokens: list[str]) -> Iterator[list[str]]:
    """Up to a semicolon, or through the braces of a body, outside of all other brackets."""
    depth = 0
    statement: list[str] = []
    for token, after in pairwise([*tokens, ""]):
        statement.append(token)
        depth += (token in OPENING) - (token in CLOSING)
        is_body = token == "}" and after != ";"  # a semicolon belongs to it
        if depth == 0 and (token == ";" or is_body or _is_access(statement)):
            yield statement
            statement = []


def _is_access(statement: list[str]) -> bool:
    return len(statement) == 2 and statement[0] in ACCESS and statement[1] == ":"


def _body(statement: list[str]) -> list[str]:
    return statement[statement.index("{") + 1 : len(statement) - statement[::-1].index("}") - 1]


def _members(tokens: list[str], owner: str, *, shown: bool) -> Iterator[str]:
    for statement in _statements(tokens):
        if _is_access(statement):
            shown = ACCESS[statement[0]]
        elif shown and statement[0] not in {"friend", "static_assert"}:
            yield from (one for one in _declared(statement, owner) if "emulator" not in one)


def _declared(statement: list[str], owner: str) -> Iterator[str]:
    head = [token for token in statement if token not in MARKS]
    template = ""
    if head[0] == "template":
        end = _closing(head, 1)
        template, head = " ".join(head[: end + 1]) + " ", head[end + 1 :]
    if head[0] == "enum":
        name = head[1 + (head[1] == "class")]
        yield f"{owner}enum {name}: {' '.join(one[0] for one in _split(_body(head)))}"
    elif head[0] in {"class", "struct"} and "{" in head:
        name = head[1]
        yield f"{owner}{template}{name}"
        yield from _members(_body(head), f"{owner}{name}::", shown=head[0] == "struct")
    elif "(" in head and "using" not in head:
        yield from _function(head, owner, template)
    else:
        yield owner + template + " ".join(token for token in head if token != ";")


def _function(head: list[str], owner: str, template: str) -> Iterator[str]:
    if "delete" in head or owner.rstrip(":") == head[0] or head[0] == "~":
        return
    opening = head.index("(")
    if head[opening - 1] == "operator":
        opening = head.index("(", opening + 1)
    closing = _closing(head, opening)
    parameters = [
        one
        for one in map(_parameter, _split(head[opening + 1 : closing]))
        if one != "Site" and one != ""
    ]
    const = " const" if head[closing + 1 : closing + 2] == ["const"] else ""
    yield f"{owner}{template}{' '.join(head[:opening])}({', '.join(parameters)}){const}"


def _parameter(tokens: list[str]) -> str:
    default = tokens[tokens.index("=") :] if "=" in tokens else []
    if "Site" in tokens:
        return "Site"
    tokens = tokens[: len(tokens) - len(default)]
    if tokens[-2:] == ["[", "]"]:
        tokens = [*tokens[:-3], "*"]  # with its name
    elif len(tokens) > 1 and tokens[-1].isidentifier():
        tokens = tokens[:-1]
    if tokens and tokens[0] == "const" and not {"&", "*"} & set(tokens):
        tokens = tokens[1:]
    return " ".join([*tokens, *default])


def _split(tokens: list[str]) -> Iterator[list[str]]:
    depth, part = 0, []
    for token in tokens:
        depth += (token in "([{<") - (token in ")]}>")
        if token == "," and depth == 0:
            yield part
            part = []
        else:
            part.append(token)
    if part:
        yield part


def _closing(tokens: list[str], opening: int) -> int:
    """Where the bracket that opens there is closed."""
    one = tokens[opening]
    other = {"(": ")", "{": "}", "<": ">"}[one]
    depth = 0
    for at in range(opening, len(tokens)):
        depth += (tokens[at] == one) - (tokens[at] == other)
        if depth == 0:
            return at
    raise ValueError(f"no {other} after {' '.join(tokens[opening : opening + 20])}")
