"""From tokens to a program.

    or    = and { "or" and }
    and   = cmp { "and" cmp }
    cmp   = unary [ ("eq" | "ne" | "gt" | "ge" | "lt" | "le") prim | "in" ( "(" prim { "," prim } ")" | prim ) ]
    unary = { "not" } prim
    prim  = "(" or ")" | function "(" or { "," or } ")" | identifier | literal

`not` binds tighter than a comparison, as the service documents. Identifiers are written in any case, the rest is not.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from localpubsub.protocol.odata.lexer import FilterError, Kind, Token, integer_of, string_of, tokens
from localpubsub.protocol.odata.program import (
    COMPARISONS,
    FUNCTIONS,
    IDENTIFIERS,
    LOGIC,
    Apply,
    Constant,
    Filter,
    Operation,
    Read,
    Step,
    Value,
    is_among,
    is_member,
    units,
)

NESTING_LIMIT = 100
_LITERALS: dict[str, Value] = {"true": True, "false": False, "null": None}


def parse(text: str) -> Filter:
    """Raises `FilterError`, and nothing else, for whatever it does not understand."""
    return Filter(text, _Parser(text).program())


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokens(text)
        self._index = 0
        self._depth = 0
        self._steps: list[Step] = []

    def program(self) -> list[Step]:
        self._or()
        if self._next.kind is not Kind.END:
            raise self._unexpected()
        return self._steps

    @property
    def _next(self) -> Token:
        return self._tokens[self._index]

    def _take(self) -> Token:
        token = self._next
        self._index += 1
        return token

    def _accept(self, kind: Kind, *texts: str) -> Token | None:
        token = self._next
        return self._take() if token.kind is kind and token.text in texts else None

    def _expect(self, mark: str) -> None:
        if self._accept(Kind.MARK, mark) is None:
            raise self._unexpected(f"'{mark}' is expected")

    def _unexpected(self, wanted: str = "") -> FilterError:
        token = self._next
        if token.kind is Kind.END:
            return FilterError(self._text, f"Unexpected end of the expression{wanted and f', {wanted}'}.")
        if wanted:
            return FilterError(self._text, f"Unexpected token '{token.text}', {wanted}.")
        return FilterError(self._text, f"Token '{token.text}' is not supported.")

    def _apply(self, operation: Operation, count: int, start: int) -> None:
        self._steps.append(Apply(operation, count, start, self._tokens[self._index - 1].end))

    @contextmanager
    def _nested(self, levels: int = 1) -> Iterator[None]:
        self._depth += levels
        if self._depth > NESTING_LIMIT:
            raise FilterError(self._text, f"The expression is nested more than {NESTING_LIMIT} levels deep.")
        yield
        self._depth -= levels

    def _or(self) -> None:
        start = self._next.start
        self._and()
        while self._accept(Kind.WORD, "or"):
            self._and()
            self._apply(LOGIC["or"], 2, start)

    def _and(self) -> None:
        start = self._next.start
        self._comparison()
        while self._accept(Kind.WORD, "and"):
            self._comparison()
            self._apply(LOGIC["and"], 2, start)

    def _comparison(self) -> None:
        start = self._next.start
        self._unary()
        if operator := self._accept(Kind.WORD, *COMPARISONS):
            self._primary()
            self._apply(COMPARISONS[operator.text], 2, start)
        elif self._accept(Kind.WORD, "in"):
            if self._accept(Kind.MARK, "("):
                self._apply(is_among, 1 + self._arguments(self._primary), start)
            else:
                self._primary()
                self._apply(is_member, 2, start)

    def _unary(self) -> None:
        starts: list[int] = []
        while word := self._accept(Kind.WORD, "not"):
            starts.append(word.start)
        with self._nested(len(starts)):
            self._primary()
        for start in reversed(starts):
            self._apply(LOGIC["not"], 1, start)

    def _primary(self) -> None:
        token = self._next
        if token.kind is Kind.WORD:
            self._word(self._take())
        elif token.kind is Kind.STRING:
            self._steps.append(Constant(units(string_of(self._take()))))
        elif token.kind is Kind.INTEGER:
            number = integer_of(self._take())
            if number is None:
                raise FilterError(self._text, "An integer does not fit into 64 bits.")
            self._steps.append(Constant(number))
        elif self._accept(Kind.MARK, "("):
            with self._nested():
                self._or()
            self._expect(")")
        else:
            raise self._unexpected("a value is expected")

    def _word(self, word: Token) -> None:
        if word.text in _LITERALS:
            self._steps.append(Constant(_LITERALS[word.text]))
        elif word.text.lower() in IDENTIFIERS:
            self._steps.append(Read(IDENTIFIERS[word.text.lower()]))
        elif word.text in FUNCTIONS:
            operation, counts = FUNCTIONS[word.text]
            self._expect("(")
            with self._nested():
                given = self._arguments(self._or)
            if given not in counts:
                raise FilterError(self._text, f"Function '{word.text}' does not take {given} argument(s).")
            self._apply(operation, given, word.start)
        else:
            raise FilterError(self._text, f"Token '{word.text}' is not supported.")

    def _arguments(self, parse_one: Callable[[], None]) -> int:
        """How many there were up to the closing bracket."""
        count = 1
        parse_one()
        while self._accept(Kind.MARK, ","):
            parse_one()
            count += 1
        self._expect(")")
        return count
