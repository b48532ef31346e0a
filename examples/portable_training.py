"""Train a small residual network for ten steps, and print the sha256 of its weights.

The digest is the same on every x86-64 processor with AVX2 and FMA: copy this, and put your own
module and tensors in it.
"""

import hashlib

from fashionbench.portable import configure, forward_pass, training_step

configure()  # Before torch is imported.

import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402


class Block(nn.Module):
    """Two convolutions whose result is added to what they were given."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, channels, height, width), as given."""
        return x + self.second(self.norm(self.first(x)).relu())


def main() -> None:
    """Train, and print."""
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2, padding=1),
        Block(16),
        nn.GELU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(16, 10),
    )
    images, labels = torch.rand(10, 16, 3, 16, 16), torch.randint(0, 10, (10, 16))

    step = training_step(module, images[0], labels[0], nn.functional.cross_entropy)
    optimizer = torch.optim.Adam([step.parameters], lr=0.001, fused=True)
    for batch, wanted in zip(images, labels, strict=True):
        step(batch, wanted)
        optimizer.step()
    logits = forward_pass(module, images[0])(images[0])

    print("loss", nn.functional.cross_entropy(logits, labels[0]).item())  # noqa: T201
    print("outside of the table:", step.unportable)  # noqa: T201
    print(hashlib.sha256(step.parameters.numpy().tobytes()).hexdigest())  # noqa: T201


if __name__ == "__main__":
    main()
