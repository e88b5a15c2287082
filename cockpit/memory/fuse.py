"""Which elementwise operations mx.compile puts into one kernel (``compile_fuse`` in MLX).

Fusion decides which intermediate arrays exist at all, and the order of the passes decides which
operations end up together, so this follows MLX step by step.
"""

from __future__ import annotations

from cockpit.memory.graph import Graph, Op, Value

MAX_DEPTH = 11
MAX_INPUTS = 24

UNARY = frozenset(
    {
        *("Abs", "AsType", "BitwiseInvert", "Ceil", "Conjugate", "Floor", "Imag", "LogicalNot"),
        *("Negative", "Real", "Remainder", "Round", "Sigmoid", "Sign", "Sqrt", "Square"),
        *("Erf", "ErfInv", "Exp", "Expm1", "Log", "Log1p"),
        *("ArcCos", "ArcCosh", "ArcSin", "ArcSinh", "ArcTan", "ArcTanh"),
        *("Cos", "Cosh", "Sin", "Sinh", "Tan", "Tanh"),
    }
)
BINARY = frozenset(
    {
        *("Add", "ArcTan2", "BitwiseBinary", "Divide", "FloorDivide", "LogAddExp", "Maximum"),
        *("Minimum", "Multiply", "Power", "Subtract"),
        *("Equal", "Greater", "GreaterEqual", "Less", "LessEqual", "NotEqual"),
        *("LogicalAnd", "LogicalOr"),
    }
)
_ELEMENTWISE = UNARY | BINARY | {"Select"}
FUSABLE = _ELEMENTWISE | {"Broadcast"}

# A value's readers: (one of the reading operation's outputs, which of its inputs this is).
Readers = dict[Value, dict[tuple[Value, int], None]]


def fuse(graph: Graph) -> None:
    """Replaces runs of elementwise operations in ``graph`` by Compiled ones."""
    _Fusion(graph).run()


class _Fusion:
    def __init__(self, graph: Graph):
        self._graph = graph
        self._replaced: dict[Value, Value] = {}
        self._is_output = set(graph.outputs)
        self._fused: set[Value] = set()
        self._readers: Readers = {}
        for op in graph.ops:
            for position, value in enumerate(op.inputs):
                readers = self._readers.setdefault(value, {})
                readers.update(((output, position), None) for output in op.outputs)

    def run(self) -> None:
        kept: list[Op] = []
        for op in reversed(self._graph.ops):
            root = op.outputs[0]
            if root in self._fused:
                continue
            together = self._collect(root) if op.name in _ELEMENTWISE else set()
            kept.append(self._merge(root, together) if len(together) > 1 else op)
        self._graph.ops = kept[::-1]
        self._graph.substitute_outputs(self._replaced)

    def _collect(self, root: Value) -> set[Value]:
        """Everything above ``root`` that one kernel can compute with it, ``root`` included."""
        inside: set[Value] = set()
        inputs: set[Value] = set()
        is_output, readers = self._is_output, self._readers

        def visit(value: Value, depth: int) -> None:
            if value in inside:
                return
            op = value.op
            leads_out = value in is_output
            if (
                depth >= MAX_DEPTH
                or op is None
                or op.name not in FUSABLE
                or (leads_out and value.shape != root.shape)
            ):
                inputs.add(value)
                return
            if depth and any(reader not in inside for reader, _ in readers.get(value, ())):
                if op.name == "Broadcast" and len(inputs) < MAX_INPUTS:
                    visit(self._split(value, inside), depth)
                else:
                    inputs.add(value)
                return
            if leads_out:
                inputs.add(value)
            else:
                inputs.discard(value)
            if len(inputs) >= MAX_INPUTS:
                return
            inside.add(value)
            for needed in op.inputs:
                visit(needed, depth + 1)

        visit(root, 0)
        return inside

    def _split(self, value: Value, inside: set[Value]) -> Value:
        """A second broadcast for the readers in ``inside``, so that it can be fused with them."""
        assert value.op is not None
        twin = value.like("'")
        Op(value.op.name, list(value.op.inputs), [twin], value.op.arguments)
        mine = [read for read in self._readers.get(value, ()) if read[0] in inside]
        for reader, position in mine:
            assert reader.op is not None
            reader.op.inputs[position] = twin
            del self._readers[value][reader, position]
        self._readers[twin] = dict.fromkeys(mine)
        return twin

    def _merge(self, root: Value, inside: set[Value]) -> Op:
        """The Compiled operation that computes ``inside`` and hands out what others read."""
        inputs, order = _inputs_and_order(root, inside)
        handed_out = [value for value in order[:-1] if value in self._is_output]
        self._forget_reads(order)
        for value in order[:-1]:
            if value not in self._is_output:
                self._readers.pop(value, None)
            self._fused.add(value)
        handed_out.append(root)
        outputs = [value.like("*") for value in handed_out]
        names = tuple(value.op.name for value in order if value.op is not None)
        compiled = Op("Compiled", inputs, outputs, fused=names)
        for position, value in enumerate(inputs):
            self._readers[value].update(((output, position), None) for output in outputs)
        for old, new in zip(handed_out, outputs, strict=True):
            self._take_over(old, new)
        return compiled

    def _forget_reads(self, fused: list[Value]) -> None:
        """Of the operations that are fused nobody is a reader any more."""
        for reader in fused:
            assert reader.op is not None
            for position, value in enumerate(reader.op.inputs):
                self._readers[value].pop((reader, position), None)

    def _take_over(self, old: Value, new: Value) -> None:
        """Lets everything that reads ``old`` read ``new``."""
        readers = self._readers.setdefault(new, {})
        for reader, position in self._readers.pop(old, {}):
            assert reader.op is not None
            reader.op.inputs[position] = new
            if reader is not old:
                readers[reader, position] = None
        if old in self._is_output:
            self._is_output.add(new)
            self._replaced[old] = new


def _inputs_and_order(root: Value, inside: set[Value]) -> tuple[list[Value], list[Value]]:
    inputs: dict[Value, None] = {}
    order: dict[Value, None] = {}

    def visit(value: Value) -> None:
        if value not in inside:
            inputs.setdefault(value)
        elif value not in order:
            assert value.op is not None
            for needed in value.op.inputs:
                visit(needed)
            order.setdefault(value)

    visit(root)
    return list(inputs), list(order)
