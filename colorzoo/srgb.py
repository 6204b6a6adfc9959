"""The primaries of sRGB, for code with and without PyTorch.

White point D65, 2 degree observer; the constants are those of scikit-image. Source: IEC 61966-2-1.
"""

XYZ_FROM_RGB = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
LUMINANCE = XYZ_FROM_RGB[1]  # weights of linear R, G and B; they add up to 1
