"""Real Keras models, each small, that together use every naming rule of Keras' files."""

from __future__ import annotations

import os
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy
from keras import layers


def sequential() -> keras.Model:
    return keras.Sequential([keras.Input((8, 3)), layers.LSTM(4, return_sequences=True), layers.LSTM(5), layers.Dense(2)])


def two_layers() -> keras.Model:
    return keras.Sequential([keras.Input((3,)), layers.Dense(4), layers.Dense(2)])


def built_late() -> keras.Model:
    model = keras.Sequential([layers.Embedding(9, 3), layers.GRU(4, reset_after=False), layers.Dense(2, use_bias=False)])
    model.build((None, 8))
    return model


def convolutions() -> keras.Model:
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(4, 3, use_bias=False)(inputs)
    x = layers.BatchNormalization(scale=False)(x)
    x = layers.SeparableConv2D(6, 3)(x)
    x = layers.BatchNormalization(center=False)(x)
    x = layers.DepthwiseConv2D(3)(x)
    x = layers.BatchNormalization()(x)
    x = layers.BatchNormalization(scale=False, center=False)(x)
    x = layers.BatchNormalization(renorm=True)(x)
    x = layers.Conv2DTranspose(5, 3)(x)
    x = layers.PReLU(shared_axes=(1, 2))(x)
    x = layers.GroupNormalization(5)(x)
    x = layers.Dropout(0.1)(layers.GlobalAveragePooling2D()(x))
    x = layers.LayerNormalization()(x)
    return keras.Model(inputs, layers.Dense(3, name="head")(layers.RMSNormalization()(x)))


def nested() -> keras.Model:
    start = keras.Input((6,))
    inner = keras.Model(start, layers.Dense(4)(layers.Dense(5)(start)), name="inner")
    late = keras.Sequential([layers.Dense(3), layers.Dense(2)], name="late")
    early = keras.Sequential([keras.Input((2,)), layers.Dense(3), layers.Dense(2)], name="early")
    inputs = keras.Input((6,))
    return keras.Model(inputs, layers.Dense(1)(early(late(inner(inputs)))))


def one_name_twice() -> keras.Model:
    def inner(name: str) -> keras.Model:
        start = keras.Input((4,))
        return keras.Model(start, layers.Dense(4, name="dense")(start), name=name)

    inputs = keras.Input((4,))
    return keras.Model(inputs, layers.Dense(2, name="out")(inner("b")(inner("a")(inputs))))


def recurrent() -> keras.Model:
    inputs = keras.Input((7, 3))
    x = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(inputs)
    x = layers.LSTM(3, return_sequences=True)(x)
    x = layers.Bidirectional(layers.GRU(2, return_sequences=True))(x)
    x = layers.SimpleRNN(3, use_bias=False, return_sequences=True)(x)
    return keras.Model(inputs, layers.RNN([layers.LSTMCell(3, name="first"), layers.GRUCell(4)])(x))


def attention() -> keras.Model:
    inputs = keras.Input((7,))
    x = layers.Embedding(20, 8)(inputs)
    x = layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 4)(x, x))
    x = layers.GroupQueryAttention(4, 4, 2)(x, x, use_causal_mask=True)
    x = layers.EinsumDense("abc,cd->abd", output_shape=(None, 5), bias_axes="d")(x)
    x = layers.Attention(use_scale=True, score_mode="concat")([x, x])
    return keras.Model(inputs, layers.AdditiveAttention()([x, x]))


def wrapped() -> keras.Model:
    inputs = keras.Input((8, 8, 3))
    normalization = layers.Normalization()
    normalization.adapt(numpy.ones((5, 8, 8, 3), "float32"))
    x = layers.SpectralNormalization(layers.Conv2D(2, 3))(normalization(inputs))
    x = layers.ConvLSTM2D(3, 3)(layers.Reshape((1, 6, 6, 2))(x))
    x = layers.TimeDistributed(layers.Dense(4))(layers.Reshape((4, 12))(x))
    return keras.Model(inputs, layers.Conv1D(2, 2, dtype="bfloat16")(x))


@keras.saving.register_keras_serializable("migspec_tests")
class Block(layers.Layer):
    def __init__(self, units: int = 4, **options: object) -> None:
        super().__init__(**options)
        self.feed = [layers.Dense(units), layers.Dense(units)]
        self.norm = layers.LayerNormalization()
        self.project = layers.Dense(units, name="projection")

    def build(self, shape: tuple[int, ...]) -> None:
        self.gain = self.add_weight(shape=(1,), name="gain")
        for layer in (*self.feed, self.norm, self.project):
            layer.build(shape)

    def call(self, x: object) -> object:
        for layer in self.feed:
            x = layer(x)
        return self.project(self.norm(x)) * self.gain


@keras.saving.register_keras_serializable("migspec_tests")
class Subclassed(keras.Model):
    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        start = keras.Input((4,))
        self.backbone = keras.Model(start, layers.Dense(4, name="inside")(start), name="backbone")
        self.blocks = [Block(name=f"block{number}") for number in range(2)]
        self.last = layers.Dense(2)

    def call(self, x: object) -> object:
        x = self.backbone(x)
        for block in self.blocks:
            x = block(x)
        return self.last(x)


def subclassed() -> keras.Model:
    model = Subclassed()
    model(numpy.zeros((1, 4), "float32"))
    return model


def trained(model: keras.Model, optimizer: keras.optimizers.Optimizer) -> keras.Model:
    """The model compiled, and its optimizer's variables made."""
    model.compile(optimizer, "mse")
    optimizer.build(model.trainable_variables)
    return model


def loss_scaled() -> keras.Model:
    model = two_layers()
    model.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam()), "mse")
    model.train_on_batch(numpy.zeros((2, 3)), numpy.zeros((2, 2)))  # the names of its slots depend on who builds them
    return model


def frozen() -> keras.Model:
    model = sequential()
    model.layers[0].trainable = False
    return trained(model, keras.optimizers.Adam(amsgrad=True, use_ema=True))


MODELS: dict[str, Callable[[], keras.Model]] = {
    "sequential": sequential,
    "built_late": built_late,
    "convolutions": convolutions,
    "nested": nested,
    "one_name_twice": one_name_twice,
    "recurrent": recurrent,
    "attention": attention,
    "wrapped": wrapped,
    "subclassed": subclassed,
    "adam": lambda: trained(recurrent(), keras.optimizers.Adam()),
    "adam_nested": lambda: trained(nested(), keras.optimizers.AdamW(gradient_accumulation_steps=2)),
    "adam_attention": lambda: trained(attention(), keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.1, 5))),
    "sgd": lambda: trained(convolutions(), keras.optimizers.SGD(0.1, momentum=0.9)),
    "rmsprop": lambda: trained(two_layers(), keras.optimizers.RMSprop(momentum=0.1, centered=True)),
    "nadam": lambda: trained(wrapped(), keras.optimizers.Nadam()),
    "ftrl": lambda: trained(two_layers(), keras.optimizers.Ftrl()),
    "adafactor": lambda: trained(two_layers(), keras.optimizers.Adafactor()),
    "frozen": frozen,
    "loss_scaled": loss_scaled,
}


def build(name: str) -> keras.Model:
    """The model with Keras' counters at zero and values that all differ."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(1)
    model = MODELS[name]()
    random = numpy.random.default_rng(0)
    for variable in model.variables:
        if variable.dtype in ("float32", "bfloat16"):
            variable.assign(random.uniform(0.1, 1, variable.shape))
    return model
