"""The systems that the paper compares itself with, one file each: networks, losses and loop together.

    trained = stargan.stargan(run, faces)                      # a finished stage, as those of lib/stages.py
    x_hat = stargan.generate(trained.model, a, x)              # faces for labels; editors also need a face

Published architectures, losses and settings; the images, splits, crops and sizes of this course. What is named in a
paper by two things (StarGAN's classification loss, DCGAN itself) is said where it is decided.
"""
