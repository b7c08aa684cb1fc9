"""Filters as trees: each is written out, and computed the plain way, for `test_odata_properties`.

The plain way knows nothing of tokens, programs or precedence; it walks the tree.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from localpubsub.protocol.odata import Subject

Value = Any


class WrongType(Exception):
    """What makes the service answer 400."""


@dataclass(frozen=True)
class Tree:
    """`name` is an operator, a function, an identifier, or `literal` with its value."""

    name: str
    children: tuple["Tree", ...] = ()
    value: Value = None


COMPARE = ("eq", "ne", "gt", "ge", "lt", "le")
FUNCTIONS = {
    "length": 1, "tolower": 1, "toupper": 1, "trim": 1, "concat": 2, "indexof": 2, "contains": 2, "startswith": 2,
    "endswith": 2, "substring": 3,
}  # fmt: skip
# How tightly the outermost operator of a tree binds; what binds looser than its place wants gets brackets.
BINDING = {"or": 1, "and": 2, "in": 3, "not": 4} | dict.fromkeys(COMPARE, 3)


def written(tree: Tree, at_least: int = 0) -> str:
    text = _written(tree)
    return f"({text})" if BINDING.get(tree.name, 5) < at_least else text


def _written(tree: Tree) -> str:
    match tree.name:
        case "literal":
            return _literal(tree.value)
        case "or" | "and":
            level = BINDING[tree.name]
            left, right = tree.children
            return f"{written(left, level)} {tree.name} {written(right, level + 1)}"
        case "not":
            return f"not {written(tree.children[0], 4)}"
        case "in":
            left, *items = tree.children
            if not items:
                return f"{written(left, 4)} in groups"
            return f"{written(left, 4)} in ({','.join(written(item, 5) for item in items)})"
        case name if name in COMPARE:
            left, right = tree.children
            return f"{written(left, 4)} {name} {written(right, 5)}"
        case name if tree.children:
            return f"{name}({', '.join(written(child) for child in tree.children)})"
        case name:
            return name


def _literal(value: Value) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return {None: "null", True: "true", False: "false"}[value] if not _is_int(value) else str(value)


def _is_int(value: Value) -> bool:
    return type(value) is int


LEAVES: dict[str, Callable[[Tree, Subject], Value]] = {
    "literal": lambda tree, _: tree.value,
    "userId": lambda _, subject: subject.user_id,
    "connectionId": lambda _, subject: subject.connection_id,
    "protocol": lambda _, subject: subject.protocol,
    "groups": lambda _, subject: subject.groups,
}


def computed(tree: Tree, subject: Subject, *, dry: bool = False) -> Value:
    """Raises `WrongType`. Children first, so both sides always count."""
    if tree.name in LEAVES:
        return LEAVES[tree.name](tree, subject)
    values = [computed(child, subject, dry=dry) for child in tree.children]
    match tree.name:
        case "not":
            return not _bool(values[0])
        case "and":
            return [_bool(one) for one in values] == [True, True]
        case "or":
            return [_bool(one) for one in values] != [False, False]
        case "in":
            return _among(values[0], values[1:] or list(subject.groups))
        case "eq" | "ne":
            return _same(*values) is (tree.name == "eq")
        case name if name in COMPARE:
            return _ordered(name, *values)
        case name:
            return _called(name, values, dry=dry)


def _bool(value: Value) -> bool:
    if type(value) is not bool:
        raise WrongType
    return value


def _same(left: Value, right: Value) -> bool:
    return type(left) is type(right) and bool(left == right)


def _among(value: Value, candidates: list[Value]) -> bool:
    return any(_same(value, candidate) for candidate in candidates)


def _ordered(name: str, left: Value, right: Value) -> bool:
    if left is None or right is None:
        return False
    if not _is_int(left) or not _is_int(right):
        raise WrongType
    verdicts: dict[str, bool] = {"gt": left > right, "ge": left >= right, "lt": left < right, "le": left <= right}
    return verdicts[name]


def _called(name: str, values: list[Value], *, dry: bool) -> Value:
    if name == "length" and isinstance(values[0], frozenset):
        return len(values[0])
    texts, numbers = (values[:1], values[1:]) if name == "substring" else (values, [])
    if not all(one is None or isinstance(one, str) for one in texts):
        raise WrongType
    if not all(one is None or _is_int(one) for one in numbers):
        raise WrongType
    if name == "substring" and dry:
        return ""
    if name == "concat":
        return "".join(one for one in values if one is not None) if any(one is not None for one in values) else None
    if None in values:
        return {"contains": False, "startswith": False, "endswith": False, "indexof": -1}.get(name)
    return PLAIN[name](*values)


def _cut(text: str, start: int, count: int) -> str | None:
    return text[start : start + count] if start >= 0 and count >= 0 and start + count <= len(text) else None


PLAIN: dict[str, Callable[..., Value]] = {
    "length": len,
    "tolower": str.lower,
    "toupper": str.upper,
    "trim": str.strip,
    "indexof": str.find,
    "contains": lambda text, part: part in text,
    "startswith": str.startswith,
    "endswith": str.endswith,
    "substring": _cut,
}


# The plain way counts characters, so the texts stay in the range where a character is one UTF-16 unit.
texts = st.text(st.characters(max_codepoint=0x2FFF), max_size=4) | st.sampled_from(["", "a", "ab", "it's", " b "])
subjects = st.builds(Subject, st.none() | texts, texts, st.frozensets(texts, max_size=3), st.none() | texts)
literals = st.builds(Tree, st.just("literal"), value=st.none() | st.booleans() | st.integers(-5, 5) | texts)
identifiers = st.sampled_from([Tree(name) for name in ("userId", "connectionId", "protocol", "groups")])


def _grown(children: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    pair = st.tuples(children, children)
    single_values = children.filter(lambda tree: tree.name != "groups")
    return st.one_of(
        st.builds(Tree, st.sampled_from(("and", "or", *COMPARE)), pair),
        st.builds(Tree, st.just("not"), st.tuples(children)),
        st.builds(Tree, st.just("in"), st.tuples(children)),
        st.builds(Tree, st.just("in"), st.tuples(children, single_values)),
        st.builds(Tree, st.just("in"), st.tuples(children, single_values, single_values)),
        *(st.builds(Tree, st.just(name), st.tuples(*[children] * count)) for name, count in FUNCTIONS.items()),
    )


anything = st.recursive(literals | identifiers, _grown, max_leaves=12)

# Trees whose types fit: without them nearly every tree is refused and little is compared.
_texts = st.recursive(
    st.sampled_from([Tree("userId"), Tree("connectionId"), Tree("protocol")])
    | st.builds(Tree, st.just("literal"), value=st.none() | texts),
    lambda children: st.one_of(
        st.builds(Tree, st.sampled_from(("tolower", "toupper", "trim")), st.tuples(children)),
        st.builds(Tree, st.just("concat"), st.tuples(children, children)),
        st.builds(
            lambda text, start, count: Tree(
                "substring", (text, Tree("literal", value=start), Tree("literal", value=count))
            ),
            children, st.integers(-1, 4), st.integers(-1, 4),
        ),
    ),
    max_leaves=4,
)  # fmt: skip
_numbers = (
    st.builds(Tree, st.just("literal"), value=st.none() | st.integers(-3, 5))
    | st.builds(Tree, st.just("length"), st.tuples(_texts | st.just(Tree("groups"))))
    | st.builds(Tree, st.just("indexof"), st.tuples(_texts, _texts))
)
_tests = st.one_of(
    st.builds(Tree, st.sampled_from(COMPARE[2:]), st.tuples(_numbers, _numbers)),
    st.builds(Tree, st.sampled_from(COMPARE[:2]), st.tuples(_texts | _numbers, _texts | _numbers)),
    st.builds(Tree, st.sampled_from(("contains", "startswith", "endswith")), st.tuples(_texts, _texts)),
    st.builds(Tree, st.just("in"), st.tuples(_texts)),
    st.builds(Tree, st.just("in"), st.tuples(_texts, _texts, _texts)),
)
well_typed = st.recursive(
    _tests,
    lambda children: (
        st.builds(Tree, st.sampled_from(("and", "or", "eq", "ne")), st.tuples(children, children))
        | st.builds(Tree, st.just("not"), st.tuples(children))
    ),
    max_leaves=6,
)
