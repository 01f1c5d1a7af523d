"""Plans saved and loaded: JSON under a published schema, sealed by a digest so that an edited plan is refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, assert_never

from migspec.diagnostics import file_error
from migspec.expression import (
    Affine,
    Cast,
    Concat,
    Constant,
    Distribution,
    Expression,
    Fill,
    Normal,
    Permute,
    Read,
    Reshape,
    Slice,
    Sum,
    Take,
    Uniform,
)
from migspec.indices import Indices
from migspec.plan import Cause, Fingerprint, Left, Move, Plan
from migspec.resources import schema_path

FORMAT = "migspec-plan"
VERSION = 1


def to_json(plan: Plan) -> dict[str, Any]:
    """The plan as JSON data, sealed: `digest` is the SHA-256 of all the rest."""
    causes: dict[Cause, int] = {}

    def cause(one: Cause | None) -> int | None:
        return None if one is None else causes.setdefault(one, len(causes))

    moves = [
        {
            "target": move.target,
            "sources": list(move.sources),
            "cause": cause(move.cause),
            "expression": _expression(move.expression),
        }
        for move in plan.moves
    ]
    kept = [{"variable": one.variable, "cause": cause(one.cause), "because": one.because} for one in plan.kept]
    dropped = [{"variable": one.variable, "cause": cause(one.cause), "because": one.because} for one in plan.dropped]
    content: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "specs": [_fingerprint(one) for one in plan.specs],
        "vocabularies": [_fingerprint(one) for one in plan.vocabularies],
        "source": _fingerprint(plan.source),
        "target": _fingerprint(plan.target),
        "statements": [{"spec": one.spec, "line": one.line, "text": one.text, "uses": list(one.uses)} for one in causes],
        "moves": moves,
        "kept": kept,
        "dropped": dropped,
        "allowed": list(plan.allowed),
        "notes": list(plan.notes),
    }
    return {**content, "digest": _digest(content)}


def dumps(plan: Plan) -> str:
    """The text of a plan's file."""
    return json.dumps(to_json(plan), indent=1) + "\n"


def load_plan(path: str) -> Plan:
    """Read a plan; raises SpecError (MIG501, MIG509) if it is not there, no plan, or not as it was written."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise file_error("MIG501", path, "the plan cannot be read", (str(error),)) from None
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise file_error("MIG509", path, "the plan is no JSON", (str(error),), _AGAIN) from None
    return from_json(data, path)


_AGAIN = ("make the plan again: `migspec plan`",)


def from_json(data: Any, path: str) -> Plan:
    """The plan that JSON data holds, checked against the schema and its digest."""
    from jsonschema import Draft202012Validator

    schema = json.loads(schema_path("plan").read_text(encoding="utf-8"))
    try:
        problem = next(iter(Draft202012Validator(schema).iter_errors(data)), None)
    except RecursionError:
        raise file_error("MIG509", path, "the plan is malformed", ("its expressions nest too deeply",), _AGAIN) from None
    if problem is not None:
        raise file_error(
            "MIG509", path, "the plan is malformed", (f"at {problem.json_path}: {_short(problem.message)}",), _AGAIN
        )
    content = {key: value for key, value in data.items() if key != "digest"}
    if _digest(content) != data["digest"]:
        raise file_error(
            "MIG509",
            path,
            "the plan was edited after it was made",
            ("its digest is not that of its content",),
            ("change the spec and make the plan again: `migspec plan`",),
        )
    try:
        return _plan(data)
    except (ValueError, IndexError) as error:
        raise file_error("MIG509", path, "the plan is malformed", (str(error),), _AGAIN) from None


def _plan(data: dict[str, Any]) -> Plan:
    causes = [Cause(one["spec"], one["line"], one["text"], tuple(one["uses"])) for one in data["statements"]]

    def left(one: dict[str, Any]) -> Left:
        return Left(one["variable"], None if one["cause"] is None else causes[one["cause"]], one["because"])

    return Plan(
        tuple(Fingerprint(one["label"], one["sha256"]) for one in data["specs"]),
        Fingerprint(data["source"]["label"], data["source"]["sha256"]),
        Fingerprint(data["target"]["label"], data["target"]["sha256"]),
        tuple(
            Move(one["target"], _expression_of(one["expression"]), tuple(one["sources"]), causes[one["cause"]])
            for one in data["moves"]
        ),
        tuple(left(one) for one in data["kept"]),
        tuple(left(one) for one in data["dropped"]),
        tuple(data["allowed"]),
        tuple(data["notes"]),
        tuple(Fingerprint(one["label"], one["sha256"]) for one in data["vocabularies"]),
    )


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _fingerprint(one: Fingerprint) -> dict[str, str]:
    return {"label": one.label, "sha256": one.sha256}


def _short(message: str) -> str:
    return message if len(message) <= 200 else message[:200] + " ..."


def _expression(node: Expression) -> dict[str, Any]:
    match node:
        case Read():
            return {"op": "read", "side": node.side, "variable": node.variable, "shape": list(node.shape), "dtype": node.dtype}
        case Fill():
            return {"op": "fill", "shape": list(node.shape), "dtype": node.dtype, **_distribution(node.distribution)}
        case Permute():
            return {"op": "permute", "axes": list(node.axes), "input": _expression(node.input)}
        case Reshape():
            return {"op": "reshape", "shape": list(node.shape), "input": _expression(node.input)}
        case Slice():
            return {
                "op": "slice",
                "axis": node.axis,
                "start": node.start,
                "count": node.count,
                "step": node.step,
                "input": _expression(node.input),
            }
        case Take():
            return {"op": "take", "axis": node.axis, "indices": node.indices.text, "input": _expression(node.input)}
        case Concat():
            return {"op": "concat", "axis": node.axis, "inputs": [_expression(one) for one in node.inputs]}
        case Cast():
            return {"op": "cast", "dtype": node.dtype, "input": _expression(node.input)}
        case Affine():
            return {"op": "affine", "scale": node.scale, "offset": node.offset, "input": _expression(node.input)}
        case Sum():
            return {"op": "sum", "inputs": [_expression(one) for one in node.inputs]}
        case _:
            assert_never(node)


def _distribution(one: Distribution) -> dict[str, Any]:
    match one:
        case Constant(value=value):
            return {"distribution": "constant", "value": value}
        case Normal(stddev=stddev, seed=seed, stream=stream):
            return {"distribution": "normal", "stddev": stddev, "seed": seed, "stream": stream}
        case Uniform(low=low, high=high, seed=seed, stream=stream):
            return {"distribution": "uniform", "low": low, "high": high, "seed": seed, "stream": stream}
        case _:
            assert_never(one)


def _expression_of(data: dict[str, Any]) -> Expression:
    match data["op"]:
        case "read":
            return Read(data["variable"], tuple(data["shape"]), data["dtype"], data["side"])
        case "fill":
            return Fill(_distribution_of(data), tuple(data["shape"]), data["dtype"])
        case "permute":
            return Permute(_expression_of(data["input"]), tuple(data["axes"]))
        case "reshape":
            return Reshape(_expression_of(data["input"]), tuple(data["shape"]))
        case "slice":
            return Slice(_expression_of(data["input"]), data["axis"], data["start"], data["count"], data["step"])
        case "take":
            tensor = _expression_of(data["input"])
            return Take(tensor, data["axis"], Indices.of_text(data["indices"], tensor.shape[data["axis"]]))
        case "concat":
            return Concat(tuple(_expression_of(one) for one in data["inputs"]), data["axis"])
        case "cast":
            return Cast(_expression_of(data["input"]), data["dtype"])
        case "affine":
            return Affine(_expression_of(data["input"]), data["scale"], data["offset"])
        case "sum":
            return Sum(tuple(_expression_of(one) for one in data["inputs"]))
        case other:
            raise ValueError(f"no operation is called {other}")


def _distribution_of(data: dict[str, Any]) -> Distribution:
    match data["distribution"]:
        case "constant":
            return Constant(data["value"])
        case "normal":
            return Normal(data["stddev"], data["seed"], data["stream"])
        case "uniform":
            return Uniform(data["low"], data["high"], data["seed"], data["stream"])
        case other:
            raise ValueError(f"no distribution is called {other}")
