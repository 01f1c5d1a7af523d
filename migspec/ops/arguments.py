"""The arguments of an op as the types that its class takes. The grammar guarantees what is asserted here."""

from __future__ import annotations

from migspec.syntax.tree import Arithmetic, Binary, Content, Dims, Negative, Number, Op, Reference


def integer(op: Op, name: str) -> int:
    value = op.argument(name)
    assert isinstance(value, int)
    return value


def text(op: Op, name: str) -> str:
    value = op.argument(name)
    assert isinstance(value, str)
    return value


def optional_text(op: Op, name: str) -> str | None:
    return None if op.argument(name) is None else text(op, name)


def optional_integer(op: Op, name: str) -> int | None:
    return None if op.argument(name) is None else integer(op, name)


def expression(op: Op, name: str) -> Arithmetic:
    value = op.argument(name)
    assert isinstance(value, Number | Reference | Negative | Binary)
    return value


def optional_expression(op: Op, name: str) -> Arithmetic | None:
    return None if op.argument(name) is None else expression(op, name)


def content(op: Op, name: str) -> Content:
    value = op.argument(name)
    assert isinstance(value, Content)
    return value


def dims(op: Op, name: str) -> Dims | None:
    value = op.argument(name)
    if value is None:
        return None
    assert isinstance(value, tuple)
    checked: list[Arithmetic] = []
    for one in value:
        assert isinstance(one, Number | Reference | Negative | Binary)
        checked.append(one)
    return tuple(checked)


def integers(op: Op, name: str) -> tuple[int, ...] | None:
    value = op.argument(name)
    if value is None:
        return None
    assert isinstance(value, tuple)
    checked: list[int] = []
    for one in value:
        assert isinstance(one, int)
        checked.append(one)
    return tuple(checked)
