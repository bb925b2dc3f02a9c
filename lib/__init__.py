"""The course's code: models, losses, training and evaluation of "Generating Face Images with Attributes for Free"."""
