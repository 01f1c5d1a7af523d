"""Parse trees of ops -> `tree.Op`.

What the arguments of a word mean, and which make no sense, is known to its class in `migspec.ops` alone.
"""

from __future__ import annotations

from lark import Token

from migspec.dtypes import NAMES
from migspec.syntax.arithmetic import Branch, Node, Place, arithmetic, dims, node, signed, token, whole
from migspec.syntax.problem import did_you_mean, malformed, replacement, suggestions
from migspec.syntax.tree import Argument, Arithmetic, Content, Number, Op

WORDS: tuple[str, ...] = (
    *("transpose", "permute", "rearrange", "reshape", "squeeze", "expand", "flip", "gates", "rope", "split", "concat", "stack"),
    *("unstack", "slice", "crop", "pad", "repeat", "remap", "add", "scale", "cast", "sum", "mean", "as is"),
)
"""The ops as they are written."""


def operation(branch: Node, place: Place) -> Op:
    """One op. Malformed (MIG107) where an argument is no number or dtype that there is."""
    word, arguments = _read(branch, place.coded("MIG107"))
    return Op(word, arguments, place.span(branch))


def content(branch: Node, place: Place) -> Content:
    """What `fill`, `pad` and `remap` fill with."""
    values = [child for child in branch.children if not isinstance(child, Token)]
    match branch.data:
        case "zeros":
            return Content("constant", Number(0, place.span(branch)))
        case "ones":
            return Content("constant", Number(1, place.span(branch)))
        case "constant":
            return Content("constant", arithmetic(node(values[0]), place))
        case "normal":
            return Content("normal", arithmetic(node(values[0]), place), seed=whole(token(branch.children[-1]), place))
        case "uniform":
            low, high = (arithmetic(node(value), place) for value in values)
            return Content("uniform", high, low, whole(token(branch.children[-1]), place))
        case other:
            raise AssertionError(other)


def dtype(written: Token, place: Place) -> str:
    """The name of a dtype; malformed if there is none of that name."""
    if written not in NAMES:
        near = suggestions(written, (*NAMES, *WORDS))
        span = place.span(written)
        fixes = [replacement(span, name) for name in near[:1]]
        message = f"no dtype is called `{written}`"
        raise malformed(place.code, message, span, helps=did_you_mean(near) or (f"dtypes are {', '.join(NAMES)}",), fixes=fixes)
    return str(written)


Arguments = tuple[tuple[str, Argument], ...]


def _read(branch: Node, place: Place) -> tuple[str, Arguments]:
    """The word of an op and its arguments, named as in `tree.Op`."""
    children = branch.children
    match str(branch.data):
        case "transpose":
            return "transpose", (("axes", _permutation(branch, place)),)
        case "permute":
            return "permute", (("old", str(children[0])), ("new", str(children[1])))
        case "rearrange":
            return "rearrange", (("pattern", unquoted(token(children[0]))),)
        case "reshape":
            return "reshape", (("dims", _optional_dims(children[0], place)), ("old", None))
        case "reshape_from":
            return "reshape", (("dims", None), ("old", dims(node(children[0]), place)))
        case "along":
            return str(children[0]), (("axis", _axis(children[1], place)),)
        case "stacking":
            capture = None if children[1] is None else str(children[1])
            return str(children[0]), (("axis", _axis(children[2], place)), ("capture", capture))
        case "gates":
            axis = None if children[2] is None else _axis(children[2], place)
            return "gates", (("old", str(children[0])), ("new", str(children[1])), ("axis", axis))
        case "parts_gates":
            # What stands alone is the order of the side that is no TF1 cell: what is split off, or what is joined.
            word, *orders = [None if child is None else str(child) for child in children]
            if word == "split" and orders[1] is None:
                orders.reverse()
            return f"{word}_gates", (("old", orders[0]), ("new", orders[1]))
        case "rope":
            axis, heads = _axis(children[2], place), arithmetic(node(children[3]), place)
            return "rope", (("old", str(children[0])), ("new", str(children[1])), ("axis", axis), ("heads", heads))
        case "parts":
            sizes = _optional_dims(children[2], place)
            return str(children[0]), (("axis", _axis(children[1], place)), ("sizes", sizes), ("count", None))
        case "parts_in":
            count = arithmetic(node(children[2]), place)
            return str(children[0]), (("axis", _axis(children[1], place)), ("sizes", None), ("count", count))
        case "slice":
            start, stop = (_optional_arithmetic(child, place) for child in children[1:])
            return "slice", (("axis", _axis(children[0], place)), ("start", start), ("stop", stop))
        case "crop":
            return "crop", (("dims", _optional_dims(children[0], place)),)
        case "pad":
            return "pad", (("content", content(node(children[0]), place)), ("dims", _optional_dims(children[1], place)))
        case "repeat":
            return "repeat", (("axis", _axis(children[0], place)), ("count", arithmetic(node(children[1]), place)))
        case "remap":
            old, new = unquoted(token(children[1])), unquoted(token(children[3]))
            old_oov, new_oov = (
                None if one is None else arithmetic(node(node(one).children[0]), place) for one in children[2:5:2]
            )
            filling = None if children[5] is None else content(node(children[5]), place)
            files = (("old", old), ("old_oov", old_oov), ("new", new), ("new_oov", new_oov))
            return "remap", (("axis", _axis(children[0], place)), *files, ("content", filling))
        case "add":
            gate = None if children[1] is None else str(children[1])
            return "add", (("value", arithmetic(node(children[0]), place)), ("gate", gate))
        case "scale":
            return "scale", (("value", arithmetic(node(children[0]), place)),)
        case "cast":
            return "cast", (("dtype", None if children[0] is None else dtype(token(children[0]), place)), ("old", None))
        case "cast_from":
            return "cast", (("dtype", None), ("old", dtype(token(children[0]), place)))
        case "merge":
            return str(children[0]), ()
        case "as_is":
            return "as_is", ()
        case other:
            raise AssertionError(other)


def unquoted(written: Token) -> str:
    r"""The text of a QUOTED token that is no pattern: `\"` and `\\` are the characters, any other `\` is itself."""
    text = ""
    characters = iter(written[1:-1])
    for character in characters:
        if character == "\\":
            following = next(characters)
            text += following if following in ('"', "\\") else "\\" + following
        else:
            text += character
    return text


def _axis(branch: Branch, place: Place) -> int:
    child = node(branch).children[0]
    if isinstance(child, Token):
        return 0 if child.type == "ROWS" else -1
    return signed(node(child), place)


def _optional_dims(branch: Branch, place: Place) -> tuple[Arithmetic, ...] | None:
    return None if branch is None else dims(node(branch), place)


def _optional_arithmetic(branch: Branch, place: Place) -> Arithmetic | None:
    return None if branch is None else arithmetic(node(branch), place)


def _permutation(branch: Node, place: Place) -> tuple[int, ...] | None:
    """The axes of `transpose`, negative ones counted from the end as numpy does; None where it has none."""
    if not branch.children:
        return None
    axes = [signed(node(child), place) for child in branch.children]
    return tuple(axis + len(axes) if -len(axes) <= axis < 0 else axis for axis in axes)
