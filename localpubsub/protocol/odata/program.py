"""What filters compute with, and the machine that runs them.

A program is a list of steps over a stack, so that neither its length nor its nesting costs recursion. Both sides of
`and` and `or` are always computed. Text is measured in UTF-16 code units, as the service does.
"""

from collections.abc import Callable, Collection, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import NamedTuple

from localpubsub.protocol.odata.lexer import FilterError

Value = str | int | bool | AbstractSet[str] | None


@dataclass(frozen=True, slots=True)
class Subject:
    """The connection a filter is asked about. `protocol` is the subprotocol that was chosen."""

    user_id: str | None = None
    connection_id: str = ""
    groups: AbstractSet[str] = field(default_factory=frozenset)
    protocol: str | None = None


class Mismatch(Exception):
    """A value has another type than its place wants."""

    def __init__(self, value: Value, wanted: str) -> None:
        super().__init__(f"Type '{_type(value)}', expect '{wanted}'.")


def _type(value: Value) -> str:
    names = {type(None): "null", bool: "bool", int: "int", str: "string"}
    return names.get(type(value), "collection")


def _bool(value: Value) -> bool:
    if not isinstance(value, bool):
        raise Mismatch(value, "bool")
    return value


def _int(value: Value) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Mismatch(value, "int")
    return value


def _str(value: Value) -> str | None:
    if value is not None and not isinstance(value, str):
        raise Mismatch(value, "string")
    return value


def units(text: str) -> str:
    """One character for each UTF-16 code unit."""
    if text.isascii() or max(text) <= "\uffff":
        return text
    pairs = text.encode("utf-16-be", "surrogatepass")
    return "".join(chr(pairs[i] << 8 | pairs[i + 1]) for i in range(0, len(pairs), 2))


def _text(code_units: str) -> str:
    if code_units.isascii():
        return code_units
    return code_units.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "surrogatepass")


def equal(left: Value, right: Value) -> bool:
    return _type(left) == _type(right) and left == right


def _ordered(compare: Callable[[int, int], bool]) -> Callable[[Value, Value], bool]:
    def ordered(left: Value, right: Value) -> bool:
        if left is None or right is None:
            return False
        return compare(_int(left), _int(right))

    return ordered


def is_among(value: Value, *candidates: Value) -> bool:
    """The list behind `in`. One collection in brackets is that collection."""
    if len(candidates) == 1 and _type(candidates[0]) == "collection":
        return is_member(value, candidates[0])
    for candidate in candidates:
        if _type(candidate) == "collection":
            raise Mismatch(candidate, "string")
    return any(equal(value, candidate) for candidate in candidates)


def is_member(value: Value, collection: Value) -> bool:
    if not isinstance(collection, AbstractSet):
        raise Mismatch(collection, "collection")
    return isinstance(value, str) and _text(value) in collection


def _length(value: Value) -> int | None:
    if isinstance(value, AbstractSet):
        return len(value)
    text = _str(value)
    return None if text is None else len(text)


def _mapped(change: Callable[[str], str]) -> Callable[[Value], str | None]:
    def mapped(value: Value) -> str | None:
        text = _str(value)
        return None if text is None else change(text)

    return mapped


def _found(test: Callable[[str, str], bool]) -> Callable[[Value, Value], bool]:
    def found(value: Value, part: Value) -> bool:
        text, piece = _str(value), _str(part)
        return text is not None and piece is not None and test(text, piece)

    return found


def _indexof(value: Value, part: Value) -> int:
    text, piece = _str(value), _str(part)
    return -1 if text is None or piece is None else text.find(piece)


def _concat(left: Value, right: Value) -> str | None:
    first, second = _str(left), _str(right)
    if first is None or second is None:
        return second if first is None else first
    return first + second


def substring(value: Value, start: Value, length: Value = None) -> str | None:
    """`None` where the range is not inside the text."""
    text = _str(value)
    first = None if start is None else _int(start)
    count = None if length is None else _int(length)
    if text is None or first is None or not 0 <= first <= len(text):
        return None
    end = len(text) if count is None else first + count
    return text[first:end] if first <= end <= len(text) else None


Operation = Callable[..., Value]

LOGIC: dict[str, Operation] = {
    "not": lambda value: not _bool(value),
    "and": lambda left, right: _bool(left) & _bool(right),
    "or": lambda left, right: _bool(left) | _bool(right),
}
COMPARISONS: dict[str, Operation] = {
    "eq": equal,
    "ne": lambda left, right: not equal(left, right),
    "gt": _ordered(int.__gt__),
    "ge": _ordered(int.__ge__),
    "lt": _ordered(int.__lt__),
    "le": _ordered(int.__le__),
}
# Name: what it does, and how many arguments it takes.
FUNCTIONS: dict[str, tuple[Operation, Collection[int]]] = {
    "length": (_length, (1,)),
    "indexof": (_indexof, (2,)),
    "concat": (_concat, (2,)),
    "substring": (substring, (2, 3)),
    "tolower": (_mapped(str.lower), (1,)),
    "toupper": (_mapped(str.upper), (1,)),
    "trim": (_mapped(str.strip), (1,)),
    "contains": (_found(str.__contains__), (2,)),
    "startswith": (_found(str.startswith), (2,)),
    "endswith": (_found(str.endswith), (2,)),
}
IDENTIFIERS: dict[str, Callable[[Subject], Value]] = {
    "userid": lambda subject: None if subject.user_id is None else units(subject.user_id),
    "connectionid": lambda subject: units(subject.connection_id),
    "groups": lambda subject: subject.groups,
    "protocol": lambda subject: subject.protocol,
}


class Constant(NamedTuple):
    value: Value


class Read(NamedTuple):
    """A property of the connection."""

    of: Callable[[Subject], Value]


class Apply(NamedTuple):
    """Takes `arity` values from the stack. `start` and `end` are where it stands in the text."""

    operation: Operation
    arity: int
    start: int
    end: int


Step = Constant | Read | Apply

_NOBODY = Subject()


class Filter:
    """Made by `parse`, which has run it dry once."""

    def __init__(self, text: str, steps: Sequence[Step]) -> None:
        """Raises `FilterError` where the dry run finds a type that cannot be."""
        self._text = text
        self._steps = tuple(steps)
        self._run(_NOBODY, dry=True)

    def matches(self, subject: Subject) -> bool:
        """Raises `FilterError` for types that only a real connection has, as in `userId gt 1`."""
        return self._run(subject, dry=False)

    def _run(self, subject: Subject, *, dry: bool) -> bool:
        stack: list[Value] = []
        for step in self._steps:
            if isinstance(step, Constant):
                stack.append(step.value)
            elif isinstance(step, Read):
                stack.append(step.of(subject))
            else:
                stack[-step.arity :] = [self._apply(step, stack[-step.arity :], dry=dry)]
        try:
            return _bool(stack.pop())
        except Mismatch as mismatch:
            raise FilterError(self._text.strip(), str(mismatch)) from None

    def _apply(self, step: Apply, values: Sequence[Value], *, dry: bool) -> Value:
        try:
            value = step.operation(*values)
        except Mismatch as mismatch:
            raise FilterError(self._text[step.start : step.end], str(mismatch)) from None
        return "" if dry and step.operation is substring else value
