"""A network as it is served: raw pixels in, class probabilities out."""

from typing import cast

from torch import Tensor, nn

from fashionbench.networks import pixels_to_inputs


class Classifier(nn.Module):
    """A network between raw pixels and probabilities.

    Takes float32 images of shape (n, 28, 28) with values 0 to 255 and returns float32
    probabilities of shape (n, num_classes).
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """The softmax that ends every network of the report."""
        return cast(Tensor, self.network(pixels_to_inputs(images))).softmax(dim=1)
