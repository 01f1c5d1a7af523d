"""The model that is left behind: two stacked TF1 LSTM cells and a dense layer, trained a little with Adam.

Its variables are named as `tf.nn.dynamic_rnn(MultiRNNCell([BasicLSTMCell(...), BasicLSTMCell(...)]), ...)` and
`tf.layers.dense` of TensorFlow 1.2 and later name them.
"""

from __future__ import annotations

from pathlib import Path

from migspec.demo.tf1_graph import Graph, Recording

INPUTS, UNITS, CLASSES = 20, (100, 150), 7
TRAINING_STEPS = 3
CELL = "rnn/multi_rnn_cell/cell_{}/basic_lstm_cell"


def save(path: Path) -> Recording:
    """Build, train and run the model, and save it as the checkpoint `path`.

    The inputs are 8 sequences of 12 steps, [8, 12, 20]; the outputs [8, 7].
    """
    graph = Graph(seed=2016)
    with graph:
        inputs = graph.placeholder([8, 12, INPUTS])
        sequence = inputs
        for layer, units in enumerate(UNITS):
            sequence = graph.lstm(sequence, units, CELL.format(layer), forget_bias=1.0)
        outputs = graph.dense(sequence[:, -1], CLASSES, "dense")
    return graph.record(path, inputs, outputs, TRAINING_STEPS)
