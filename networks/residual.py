"""A small residual network (He et al., CVPR 2016): an example of a module of one's own."""

from torch import Tensor, nn


class Block(nn.Module):
    """Two convolutions whose result is added to what they were given."""

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Return a tensor of the same shape, (n, channels, height, width)."""
        return (inputs + self.layers(inputs)).relu()


class Residual(nn.Module):
    """Strided convolutions between residual blocks, then the mean over all pixels.

    ``width`` is the number of channels after the first convolution; ``dropout`` a probability.
    """

    def __init__(self, width: int = 16, classes: int = 10, dropout: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, width, 3, stride=2, padding=1),
            Block(width, dropout),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            Block(2 * width, dropout),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(2 * width, classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (n, classes), given images (n, 1, height, width)."""
        logits: Tensor = self.layers(images)
        return logits
