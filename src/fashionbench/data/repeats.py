"""Count images that occur more than once in the official files."""

from collections import defaultdict
from dataclasses import dataclass

from fashionbench.data.splits import Split


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """Numbers of images that equal another one, byte by byte.

    ``train`` and ``test`` count the images that repeat an earlier one of the same part,
    ``in_both`` the test images that are among the training images too, and ``other_label`` those of
    the latter that have another label there.
    """

    train: int
    test: int
    in_both: int
    other_label: int


def count_duplicates(train: Split, test: Split) -> Duplicates:
    """Compare all images of the two parts of the data set with each other."""
    labels_in_train, labels_in_test = (_labels_by_image(split) for split in (train, test))
    shared = {image: labels_in_train[image] for image in labels_in_train.keys() & labels_in_test}
    return Duplicates(
        train=len(train) - len(labels_in_train),
        test=len(test) - len(labels_in_test),
        in_both=sum(len(labels_in_test[image]) for image in shared),
        other_label=sum(
            label not in labels
            for image, labels in shared.items()
            for label in labels_in_test[image]
        ),
    )


def _labels_by_image(split: Split) -> dict[bytes, list[int]]:
    labels = defaultdict(list)
    for image, label in zip(split.images, split.labels.tolist(), strict=True):
        labels[image.tobytes()].append(label)
    return dict(labels)
