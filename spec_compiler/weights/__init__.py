"""Weights of other times and makers, in the layout that Keras has them in today."""
