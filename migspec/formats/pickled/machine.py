"""Follows a pickle and makes stand-ins: no class is imported, no function called, no key hashed, nothing recurses.

The opcodes: the comments of CPython's Lib/pickletools.py, protocols 0 to 5. The standard library's own unpicklers are not used:
they hash the keys of dicts (deeply nested tuples overflow the C stack, chosen numbers collide), make room for whatever memo
number is named, and read every value into memory.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from functools import partial

from migspec.diagnostics.model import SpecError
from migspec.formats.input import damaged, unsupported
from migspec.formats.pickled.hostile import refuse_hostile
from migspec.formats.pickled.literals import (
    SHORT_BYTES,
    SHORT_TEXT,
    read_bytes,
    read_escaped_text,
    read_integer,
    read_long,
    read_quoted,
    read_text,
)
from migspec.formats.pickled.place import Cursor
from migspec.formats.pickled.stand_ins import Global, PickledDict, PickledObject, text_of

_MOST_OPERATIONS = 1 << 22  # of one file: up to 100 bytes of memory and a microsecond each; a tensor takes 32, of a module 45

_Step = Callable[[], None]


class Machine:
    """Follows the pickles under a cursor, one each time that `run` is called.

    `persistent` makes something of what the writer kept out of the pickle, from the identifier that stands for it. Raises SpecError:
    MIG503 for what is no pickle, MIG505 for what cannot be read or should not be.
    """

    def __init__(self, cursor: Cursor, persistent: Callable[[object], object] | None = None) -> None:
        self._cursor = cursor
        self._path = cursor.place.path
        self._persistent = persistent
        self.operations = 0
        self._stack: list[object] = []
        self._outer: list[list[object]] = []  # the stacks below each mark
        self._memo: dict[int, object] = {}
        self._steps = self._table()

    def run(self) -> object:
        """What the next pickle holds."""
        self._stack, self._outer, self._memo = [], [], {}
        cursor, steps = self._cursor, self._steps
        begin = cursor.position
        try:
            while (code := cursor.byte()) != _STOP:
                self.operations += 1
                if self.operations > _MOST_OPERATIONS:
                    raise self._too_long()
                steps[code]()
            result = self._stack.pop()
            self._stack, self._outer, self._memo = [], [], {}
            return result
        except SpecError:
            raise
        except (IndexError, KeyError, ValueError, TypeError, struct.error) as error:
            place = f"at byte {cursor.position}" + (f" of the file's part from byte {begin}" if begin else "")
            raise damaged(self._path, f"its pickle makes no sense {place}") from error

    def _too_long(self) -> SpecError:
        return unsupported(
            self._path,
            f"its pickle has more than {_MOST_OPERATIONS:,} parts, more than weights need",
            "save the weights alone, without what else is in the file",
        )

    def _table(self) -> list[_Step]:
        """What each opcode does, by its byte."""

        def unknown() -> None:
            raise ValueError("no opcode")

        steps: list[_Step] = [unknown] * 256

        def enter(opcode: bytes, step: _Step) -> None:
            steps[opcode[0]] = step

        push = self._push
        for opcode, constant in (
            (pickle.NONE, None),
            (pickle.NEWTRUE, True),
            (pickle.NEWFALSE, False),
            (pickle.EMPTY_TUPLE, ()),
        ):
            enter(opcode, partial(push, constant))
        for opcode, layout in ((pickle.BININT, "<i"), (pickle.BININT2, "<H"), (pickle.BINFLOAT, ">d")):
            enter(opcode, partial(self._number, struct.Struct(layout)))
        for opcode, length in ((pickle.TUPLE1, 1), (pickle.TUPLE2, 2), (pickle.TUPLE3, 3)):
            enter(opcode, partial(self._short_tuple, length))
        for counted, opcodes in self._counted():
            for opcode, width in opcodes.items():
                enter(opcode, partial(counted, width))
        for opcode, step in {
            pickle.BININT1: lambda: push(self._cursor.byte()),
            pickle.PROTO: self._protocol,
            pickle.FRAME: self._frame,
            pickle.MARK: self._mark,
            pickle.POP: self._pop,
            pickle.POP_MARK: self._pop_mark,
            pickle.DUP: lambda: push(self._stack[-1]),
            pickle.INT: lambda: push(read_integer(self._cursor)),
            pickle.LONG: lambda: push(read_integer(self._cursor)),
            pickle.FLOAT: lambda: push(float(self._cursor.line())),
            pickle.STRING: lambda: push(read_quoted(self._cursor)),
            pickle.UNICODE: lambda: push(read_escaped_text(self._cursor)),
            pickle.EMPTY_LIST: lambda: push([]),
            pickle.EMPTY_SET: lambda: push([]),
            pickle.EMPTY_DICT: lambda: push(PickledDict()),
            pickle.LIST: lambda: push(self._to_mark()),
            pickle.FROZENSET: lambda: push(self._to_mark()),
            pickle.TUPLE: lambda: push(tuple(self._to_mark())),
            pickle.DICT: lambda: push(PickledDict(_paired(self._to_mark()))),
            pickle.APPEND: lambda: self._extend([self._stack.pop()]),
            pickle.APPENDS: lambda: self._extend(self._to_mark()),
            pickle.ADDITEMS: lambda: self._extend(self._to_mark()),
            pickle.SETITEM: self._set_item,
            pickle.SETITEMS: lambda: self._set_items(_paired(self._to_mark())),
            pickle.GET: lambda: push(self._memo[read_integer(self._cursor)]),
            pickle.PUT: lambda: self._put(read_integer(self._cursor)),
            pickle.MEMOIZE: lambda: self._put(len(self._memo)),
            pickle.GLOBAL: lambda: push(self._global(self._cursor.line().decode(), self._cursor.line().decode())),
            pickle.STACK_GLOBAL: self._stack_global,
            pickle.REDUCE: self._call,
            pickle.NEWOBJ: self._call,
            pickle.NEWOBJ_EX: self._call_with_keywords,
            pickle.INST: self._instance,
            pickle.OBJ: self._object,
            pickle.BUILD: self._build,
            pickle.PERSID: lambda: push(self._referenced(self._cursor.line().decode())),
            pickle.BINPERSID: lambda: push(self._referenced(self._stack.pop())),
        }.items():
            enter(opcode, step)
        return steps

    def _counted(self) -> tuple[tuple[Callable[[int], None], dict[bytes, int]], ...]:
        """What an opcode does whose argument begins with a count or number, and how many bytes that has."""
        return (
            (self._text, {pickle.SHORT_BINUNICODE: 1, pickle.BINUNICODE: 4, pickle.BINUNICODE8: 8}),
            (self._bytes, {pickle.SHORT_BINBYTES: 1, pickle.BINBYTES: 4, pickle.BINBYTES8: 8, pickle.BYTEARRAY8: 8}),
            (self._bytes, {pickle.SHORT_BINSTRING: 1, pickle.BINSTRING: 4}),  # of Python 2: bytes, until they are names
            (self._long, {pickle.LONG1: 1, pickle.LONG4: 4}),
            (self._recall, {pickle.BINGET: 1, pickle.LONG_BINGET: 4}),
            (self._remember, {pickle.BINPUT: 1, pickle.LONG_BINPUT: 4}),
            (self._extension, {pickle.EXT1: 1, pickle.EXT2: 2, pickle.EXT4: 4}),
        )

    def _push(self, value: object) -> None:
        self._stack.append(value)

    def _count(self, width: int) -> int:
        return self._cursor.byte() if width == 1 else int.from_bytes(self._cursor.take(width), "little")

    def _protocol(self) -> None:
        if (protocol := self._cursor.byte()) > 5:
            raise unsupported(self._path, f"its pickle has the protocol {protocol}, and migspec reads 0 to 5")

    def _frame(self) -> None:
        if self._count(8) > self._cursor.remaining:
            raise damaged(
                self._path, f"its pickle has a frame that is longer than what is left, at byte {self._cursor.position}"
            )

    def _mark(self) -> None:
        self._outer.append(self._stack)
        self._stack = []

    def _to_mark(self) -> list[object]:
        items, self._stack = self._stack, self._outer.pop()
        return items

    def _pop_mark(self) -> None:
        self._to_mark()

    def _pop(self) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._to_mark()

    def _number(self, layout: struct.Struct) -> None:
        self._push(layout.unpack(self._cursor.take(layout.size))[0])

    def _recall(self, width: int) -> None:
        self._push(self._memo[self._count(width)])

    def _remember(self, width: int) -> None:
        self._put(self._count(width))

    def _extension(self, width: int) -> None:
        self._push(Global("copyreg", f"extension {self._count(width)}"))

    def _long(self, width: int) -> None:
        self._push(read_long(self._cursor, self._count(width)))

    def _text(self, width: int) -> None:
        length = self._count(width)
        self.operations += min(length, SHORT_TEXT) >> 6
        self._push(read_text(self._cursor, length))

    def _bytes(self, width: int) -> None:
        length = self._count(width)
        self.operations += min(length, SHORT_BYTES) >> 6
        self._push(read_bytes(self._cursor, length))

    def _short_tuple(self, length: int) -> None:
        stack = self._stack
        if len(stack) < length:
            raise IndexError
        stack[-length:] = [tuple(stack[-length:])]

    def _put(self, number: int) -> None:
        self._memo[number] = self._stack[-1]

    def _extend(self, items: list[object]) -> None:
        match self._stack[-1]:
            case list() as elements:
                elements.extend(items)
            case PickledObject() as made:
                made.add_elements(items)
            case _:
                raise TypeError

    def _set_item(self) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._set_items([(key, value)])

    def _set_items(self, pairs: list[tuple[object, object]]) -> None:
        match self._stack[-1]:
            case PickledDict() | PickledObject() as target:
                target.add_pairs(pairs)
            case _:
                raise TypeError

    def _global(self, module: str, name: str) -> Global:
        named = Global(module, name)
        refuse_hostile(self._path, named)
        return named

    def _stack_global(self) -> None:
        name, module = text_of(self._stack.pop()), text_of(self._stack.pop())
        if name is None or module is None:
            raise TypeError
        self._push(self._global(module, name))

    def _call(self) -> None:
        arguments = self._stack.pop()
        if not isinstance(arguments, tuple):
            raise TypeError
        self._stack[-1] = PickledObject(self._stack[-1], arguments)

    def _call_with_keywords(self) -> None:
        keywords = self._stack.pop()
        if not isinstance(keywords, PickledDict):
            raise TypeError
        self._call()
        made = self._stack[-1]
        if isinstance(made, PickledObject) and keywords.pairs:
            made.state = keywords

    def _instance(self) -> None:
        named = self._global(self._cursor.line().decode(), self._cursor.line().decode())
        self._push(PickledObject(named, tuple(self._to_mark())))

    def _object(self) -> None:
        function, *arguments = self._to_mark()
        self._push(PickledObject(function, tuple(arguments)))

    def _build(self) -> None:
        state = self._stack.pop()
        made = self._stack[-1]
        if not isinstance(made, PickledObject):
            raise TypeError
        made.state = state

    def _referenced(self, identifier: object) -> object:
        if self._persistent is None:
            raise unsupported(self._path, "its pickle refers to something outside of it that migspec does not know")
        return self._persistent(identifier)


_STOP = pickle.STOP[0]


def _paired(items: list[object]) -> list[tuple[object, object]]:
    if len(items) % 2:
        raise ValueError("a key without a value")
    return list(zip(items[::2], items[1::2], strict=True))
