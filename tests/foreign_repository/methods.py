"""A module that is called as a package of ours."""


def scaled(x, shift, scale):
    return x * (1 + scale) + shift
