"""A comparison of eight networks on Fashion-MNIST that can be trusted and repeated."""
