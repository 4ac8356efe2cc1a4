"""The Keras tutorial's own steps, on plain PyTorch: build, look, train, write down, read again."""

import numpy as np

from spec_compiler import Input
from spec_compiler.layers import Dense
from spec_compiler.models import Model, Sequential, model_from_json, model_from_yaml

model = Sequential()
model.add(Dense(32, input_shape=(8,)))
model.add(Dense(64, activation="relu"))
model.add(Dense(8))
model.summary()

print(model.layers, model.inputs, model.outputs)
weights = model.get_weights()
model.set_weights(weights)

again = Sequential.from_config(model.get_config())
again = model_from_json(model.to_json())
again = model_from_yaml(model.to_yaml())

x, y = np.random.random((1000, 8)), np.random.random((1000, 8))
model.compile(loss="mean_squared_error", optimizer="sgd", metrics=["mae"])
model.fit(x, y, epochs=5, batch_size=32, validation_split=0.1, verbose=2)
print(model.evaluate(x, y), model.predict(x[:2]))

data = Input(shape=(2, 3))
layer = Dense(2)(data)
print(layer)
Model(inputs=data, outputs=layer).summary()
