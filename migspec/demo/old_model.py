"""The model that is left behind: two stacked TF1 LSTM cells and a dense layer, trained a little with Adam.

Its variables are named as `tf.nn.dynamic_rnn(BasicLSTMCell(...), ..., scope="lstm_0")` and `tf.layers.dense` of TensorFlow 1.2 and
later name them.
"""

from __future__ import annotations

from pathlib import Path

from migspec.demo.tf1_graph import Graph, Recording

INPUTS, UNITS, CLASSES = 20, (100, 150), 7
TRAINING_STEPS = 3


def save(path: Path) -> Recording:
    """Build, train and run the model, and save it as the checkpoint `path`.

    The inputs are 8 sequences of 12 steps, [8, 12, 20]; the outputs [8, 7].
    """
    graph = Graph(seed=2016, spread=0.2)
    with graph:
        inputs = graph.placeholder([8, 12, INPUTS])
        sequence = inputs
        for layer, units in enumerate(UNITS):
            sequence = graph.lstm(sequence, units, f"lstm_{layer}/basic_lstm_cell", forget_bias=1.0)
        outputs = graph.dense(sequence[:, -1], CLASSES, "dense")
    return graph.record(path, inputs, outputs, TRAINING_STEPS)
