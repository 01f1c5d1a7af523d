"""What TensorFlow 1's recurrent layers and BERT's attention compute, and what Keras' do: one oracle for each spec of this folder.

TensorFlow 1's cells live on in tf_keras: they are what `tf.compat.v1.nn.rnn_cell` stands for when TF_USE_LEGACY_KERAS is set.
`dynamic_rnn` and the fused ops are TensorFlow's own. They run eagerly, which takes a tenth of the time of a graph and a session. All
start from random states, run over several steps, and give sequences and final states.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy

if TYPE_CHECKING:
    from migspec.testing import Case

_Array = numpy.ndarray
_Outputs = tuple[Any, Any]

_BATCH, _STEPS = 2, 4


def basic_lstm(case: Case) -> _Outputs:
    """BasicLSTMCell, LSTMCell and the op of LSTMBlockCell, which are one thing to the spec, and a Keras LSTM."""
    import keras
    import tensorflow
    from tf_keras.src.layers.rnn import legacy_cells

    units, bias = case.sizes["units"], case.numbers["forget_bias"]
    inputs, (h, c) = _inputs(case), _states(case, 2)

    def old(kind: Any, scope: str) -> list[_Array]:
        cell = _made(kind, units, forget_bias=bias)
        state = legacy_cells.LSTMStateTuple(c, h)
        run = partial(tensorflow.compat.v1.nn.dynamic_rnn, cell, inputs, initial_state=state)
        outputs, (new_c, new_h) = _in_tensorflow(run, [cell], case.source, f"rnn/{scope}/")
        return [outputs, new_h, new_c]

    layer = keras.layers.LSTM(units, return_sequences=True, return_state=True, name="lstm")
    new = _in_keras(layer, inputs, case.target, "lstm/lstm_cell/", [h, c])
    return [
        old(legacy_cells.BasicLSTMCell, "basic_lstm_cell"),
        old(legacy_cells.LSTMCell, "lstm_cell"),
        _block_lstm(case, inputs, h, c, bias),
    ], [new, new, new]


def cudnn_lstm(case: Case) -> _Outputs:
    """The op of CudnnCompatibleLSTMCell (an LSTMBlockCell with `forget_bias=0`, which adds no code of its own), and a Keras LSTM."""
    import keras

    inputs, (h, c) = _inputs(case), _states(case, 2)
    layer = keras.layers.LSTM(case.sizes["units"], return_sequences=True, return_state=True, name="lstm")
    return _block_lstm(case, inputs, h, c, 0.0), _in_keras(layer, inputs, case.target, "lstm/lstm_cell/", [h, c])


def lstm_stack(case: Case) -> _Outputs:
    """MultiRNNCell of BasicLSTMCells run by dynamic_rnn, and Keras LSTMs one behind the other."""
    import keras
    import tensorflow
    from tf_keras.src.layers.rnn import legacy_cells

    units, layers, bias = case.sizes["units"], case.sizes["layers"], case.numbers["forget_bias"]
    inputs, states = _inputs(case), [_states(case, 2) for _ in range(layers)]
    cells = [_made(legacy_cells.BasicLSTMCell, units, forget_bias=bias) for _ in range(layers)]
    cell = _made(legacy_cells.MultiRNNCell, cells)
    state = tuple(legacy_cells.LSTMStateTuple(c, h) for h, c in states)
    run = partial(tensorflow.compat.v1.nn.dynamic_rnn, cell, inputs, initial_state=state)
    outputs, finals = _in_tensorflow(run, [cell], case.source, "rnn/multi_rnn_cell/")
    old = [outputs, *([h, c] for c, h in finals)]
    sequence, new_states = inputs, []
    for number in range(layers):
        name = f"lstm_{number}" if number else "lstm"
        own = {key: value for key, value in case.target.items() if key.startswith(f"{name}/")}
        layer = keras.layers.LSTM(units, return_sequences=True, return_state=True, name=name)
        sequence, *final = _in_keras(layer, sequence, own, "", states[number])
        new_states.append(final)
    return old, [sequence, *new_states]


def bidirectional_lstm(case: Case) -> _Outputs:
    """bidirectional_dynamic_rnn of BasicLSTMCells, its outputs joined, and a Keras Bidirectional(LSTM)."""
    import keras
    from tf_keras.src.layers.rnn import legacy_cells

    units, bias = case.sizes["units"], case.numbers["forget_bias"]
    inputs, (fh, fc, bh, bc) = _inputs(case), _states(case, 4)
    cells = [_made(legacy_cells.BasicLSTMCell, units, forget_bias=bias) for _ in range(2)]
    states = [legacy_cells.LSTMStateTuple(fc, fh), legacy_cells.LSTMStateTuple(bc, bh)]
    outputs, ((old_fc, old_fh), (old_bc, old_bh)) = _both_directions(cells, inputs, states, case.source)
    layer = keras.layers.Bidirectional(
        keras.layers.LSTM(units, return_sequences=True, return_state=True, name="lstm"), name="bidirectional"
    )
    new = _in_keras(layer, inputs, case.target, "bidirectional/", [fh, fc, bh, bc])
    return [outputs, old_fh, old_fc, old_bh, old_bc], new


def gru(case: Case) -> _Outputs:
    """GRUCell run by dynamic_rnn and the op of GRUBlockCell, and a Keras GRU with `reset_after=False`."""
    import keras
    import tensorflow
    from tf_keras.src.layers.rnn import legacy_cells

    units, inputs, (h,) = case.sizes["units"], _inputs(case), _states(case, 1)
    cell = _made(legacy_cells.GRUCell, units)
    run = partial(tensorflow.compat.v1.nn.dynamic_rnn, cell, inputs, initial_state=h)
    old = _in_tensorflow(run, [cell], case.source, "rnn/gru_cell/")
    block, sequence = h, []
    for step in range(_STEPS):
        block = tensorflow.raw_ops.GRUBlockCell(
            x=inputs[:, step],
            h_prev=block,
            w_ru=case.source["gates/kernel"],
            w_c=case.source["candidate/kernel"],
            b_ru=case.source["gates/bias"],
            b_c=case.source["candidate/bias"],
        ).h.numpy()
        sequence.append(block)
    layer = keras.layers.GRU(units, reset_after=False, return_sequences=True, return_state=True, name="gru")
    new = _in_keras(layer, inputs, case.target, "gru/gru_cell/", [h])
    return [old, [numpy.stack(sequence, axis=1), block]], [new, new]


def bidirectional_gru(case: Case) -> _Outputs:
    """bidirectional_dynamic_rnn of GRUCells, its outputs joined, and a Keras Bidirectional(GRU) with `reset_after=False`."""
    import keras
    from tf_keras.src.layers.rnn import legacy_cells

    units, inputs, states = case.sizes["units"], _inputs(case), _states(case, 2)
    cells = [_made(legacy_cells.GRUCell, units) for _ in range(2)]
    outputs, (forward, backward) = _both_directions(cells, inputs, states, case.source)
    layer = keras.layers.Bidirectional(
        keras.layers.GRU(units, reset_after=False, return_sequences=True, return_state=True, name="gru"), name="bidirectional"
    )
    return [outputs, forward, backward], _in_keras(layer, inputs, case.target, "bidirectional/", states)


def cudnn_gru(case: Case) -> _Outputs:
    """CudnnCompatibleGRUCell run by dynamic_rnn, and a Keras GRU.

    The class went with tf.contrib and is in no package that TensorFlow 2 can load; here is what it computed
    (tensorflow/contrib/cudnn_rnn/python/ops/cudnn_rnn_ops.py), on the base class that it had, with the variables that it made.
    """
    import keras
    import tensorflow
    from tf_keras.src.layers.rnn import legacy_cells

    units, width, inputs, (h,) = case.sizes["units"], case.sizes["inputs"], _inputs(case), _states(case, 1)

    class CudnnCompatibleGRUCell(legacy_cells.GRUCell):  # type: ignore[misc]
        def build(self, _: Any) -> None:
            self.made = [
                (self.add_weight(f"{scope}/kernel", shape=[rows, columns]), self.add_weight(f"{scope}/bias", shape=[columns]))
                for scope, rows, columns in (
                    ("gates", width + units, 2 * units),
                    ("candidate/input_projection", width, units),
                    ("candidate/hidden_projection", units, units),
                )
            ]
            self.built = True

        def call(self, inputs: Any, state: Any) -> Any:
            joined = tensorflow.concat([inputs, state], 1)
            gates, of_inputs, of_state = (
                values @ kernel + bias for values, (kernel, bias) in zip((joined, inputs, state), self.made, strict=True)
            )
            reset, update = tensorflow.split(tensorflow.sigmoid(gates), 2, axis=1)
            new = (1 - update) * tensorflow.tanh(of_inputs + reset * of_state) + update * state
            return new, new

    cell = _made(CudnnCompatibleGRUCell, units)
    run = partial(tensorflow.compat.v1.nn.dynamic_rnn, cell, inputs, initial_state=h)
    old = _in_tensorflow(run, [cell], case.source, "rnn/cudnn_compatible_gru_cell/")
    layer = keras.layers.GRU(units, return_sequences=True, return_state=True, name="gru")
    return old, _in_keras(layer, inputs, case.target, "gru/gru_cell/", [h])


def attention(case: Case) -> _Outputs:
    """BERT's self-attention, with the real dense layers of TensorFlow 1 in it, and Keras' MultiHeadAttention.

    It was never a class: this is what `attention_layer` and the lines around it in `transformer_model` of
    google-research/bert/modeling.py compute, dropout and the residual connection left out, in the same scopes.
    """
    import keras
    import tensorflow
    from tf_keras.api._v1.keras.__internal__.legacy import layers as tf_layers

    hidden, heads, width = (case.sizes[name] for name in ("hidden", "heads", "head_dim"))
    steps = (
        heads + 1
    )  # Keras 3.15 on TensorFlow adds biases [heads, 1] to the wrong axis where there are as many steps as heads
    inputs = case.random.normal(size=(_BATCH, steps, hidden)).astype("float32")
    projections = [_made(tf_layers.Dense, heads * width, name=name) for name in ("query", "key", "value")]
    dense = _made(tf_layers.Dense, hidden, name="dense")

    def run() -> Any:
        flat = tensorflow.constant(inputs.reshape(-1, hidden))
        with tensorflow.compat.v1.variable_scope("attention/self"):
            parts = [tensorflow.reshape(layer(flat), [_BATCH, steps, heads, width]) for layer in projections]
            query, key, value = (tensorflow.transpose(part, [0, 2, 1, 3]) for part in parts)
            scores = tensorflow.matmul(query, key, transpose_b=True) / math.sqrt(width)
            context = tensorflow.transpose(tensorflow.nn.softmax(scores) @ value, [0, 2, 1, 3])
        with tensorflow.compat.v1.variable_scope("attention/output"):
            return dense(tensorflow.reshape(context, [_BATCH * steps, heads * width]))

    old = _in_tensorflow(run, [*projections, dense], case.source, "attention/")
    layer = keras.layers.MultiHeadAttention(heads, width, name="attention")
    tensor = keras.ops.convert_to_tensor(inputs)
    layer.build(tensor.shape, tensor.shape)
    _fill(layer, case.target, "attention/")
    return old.reshape(inputs.shape), keras.ops.convert_to_numpy(layer(tensor, tensor, training=False))


def _inputs(case: Case) -> _Array:
    sequence: _Array = case.random.normal(size=(_BATCH, _STEPS, case.sizes["inputs"])).astype("float32")
    return sequence


def _states(case: Case, count: int) -> list[_Array]:
    return [case.random.normal(size=(_BATCH, case.sizes["units"])).astype("float32") for _ in range(count)]


@contextmanager
def _quietly() -> Iterator[None]:
    """Without what both libraries say of the age of what is called here."""
    import tensorflow

    logger = tensorflow.get_logger()
    level = logger.level
    logger.setLevel("ERROR")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _made(kind: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """A cell or layer of TensorFlow 1."""
    with _quietly():
        return kind(*arguments, **named)


def _in_tensorflow(run: Callable[[], Any], layers: Sequence[Any], values: Mapping[str, _Array], scope: str) -> Any:
    """What `run` gives when the variables of these layers are `values`, which have just these names below `scope`, and these shapes.

    The first run makes the variables.
    """
    import tensorflow

    with _quietly():
        run()
        variables = {variable.name.removesuffix(":0"): variable for layer in layers for variable in layer.variables}
        found = {name: tuple(variable.shape) for name, variable in variables.items()}
        assert found == {scope + name: value.shape for name, value in values.items()}, (found, list(values))
        for name, variable in variables.items():
            variable.assign(values[name.removeprefix(scope)])
        return tensorflow.nest.map_structure(lambda tensor: tensor.numpy(), run())


def _both_directions(cells: Sequence[Any], inputs: _Array, states: Sequence[Any], values: Mapping[str, _Array]) -> Any:
    """The outputs of bidirectional_dynamic_rnn, joined on the last axis as its documentation says, and its final states."""
    import tensorflow

    both = tensorflow.compat.v1.nn.bidirectional_dynamic_rnn
    run = partial(both, *cells, inputs, initial_state_fw=states[0], initial_state_bw=states[1])
    outputs, finals = _in_tensorflow(run, cells, values, "bidirectional_rnn/")
    return numpy.concatenate(outputs, axis=2), finals


def _block_lstm(case: Case, inputs: _Array, h: _Array, c: _Array, forget_bias: float) -> list[_Array]:
    """Sequence, h and c of the fused op that LSTMBlockCell and its kin call, without clipping and peepholes."""
    import tensorflow

    none = numpy.zeros(case.sizes["units"], "float32")
    made = tensorflow.raw_ops.BlockLSTM(
        seq_len_max=numpy.int64(_STEPS),
        x=inputs.transpose(1, 0, 2),
        cs_prev=c,
        h_prev=h,
        w=case.source["kernel"],
        wci=none,
        wcf=none,
        wco=none,
        b=case.source["bias"],
        forget_bias=forget_bias,
        cell_clip=-1.0,
        use_peephole=False,
    )
    return [made.h.numpy().transpose(1, 0, 2), made.h.numpy()[-1], made.cs.numpy()[-1]]


def _in_keras(layer: Any, inputs: _Array, values: Mapping[str, _Array], scope: str, states: list[_Array]) -> list[_Array]:
    """What a Keras layer gives from these states: its outputs, then its final states."""
    import keras

    layer.build(inputs.shape)
    _fill(layer, values, scope)
    given = [keras.ops.convert_to_tensor(state) for state in states]
    results = layer(keras.ops.convert_to_tensor(inputs), initial_state=given, training=False)
    return [keras.ops.convert_to_numpy(result) for result in results]


def _fill(layer: Any, values: Mapping[str, _Array], scope: str) -> None:
    """Give a Keras layer its weights: `values` are all of them, with just these paths below `scope`, and these shapes."""
    found = {variable.path: tuple(variable.shape) for variable in layer.weights}
    assert found == {scope + name: value.shape for name, value in values.items()}, (found, list(values))
    for variable in layer.weights:
        variable.assign(values[variable.path.removeprefix(scope)])
