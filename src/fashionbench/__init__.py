"""A comparison of networks on labelled images, first on Fashion-MNIST, that can be repeated."""
