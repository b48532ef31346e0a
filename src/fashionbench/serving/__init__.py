from fashionbench.serving.classifier import Classifier

__all__ = ["Classifier"]
