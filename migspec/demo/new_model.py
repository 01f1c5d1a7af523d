import keras


def build() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((None, 20)),
            keras.layers.LSTM(100, return_sequences=True, name="lstm_0"),
            keras.layers.LSTM(150, name="lstm_1"),
            keras.layers.Dense(7, name="logits"),
        ]
    )
