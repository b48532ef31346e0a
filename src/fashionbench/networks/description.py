"""A network in words, for people who see it in MLflow or on a model card."""

import json

from fashionbench.params import Network


def in_words(network: Network) -> str:
    """Describe a network by its layers or its module, and by its strengths."""
    extras = [
        words
        for words, is_used in (
            (f"{network.activation} units", network.activation != "relu"),
            ("batch normalisation", network.batch_norm),
            (f"input dropout {network.input_dropout:g}", network.input_dropout),
            (f"dropout {network.conv_dropout:g} after the convolutions", network.conv_dropout),
            (f"dropout {network.dropout_prob:g}", network.dropout_prob),
            (f"L1 penalty {network.l1_strength:g}", network.l1_strength),
            (f"L2 penalty {network.l2_strength:g}", network.l2_strength),
        )
        if is_used
    ]
    kind = _of_module(network) if network.module else _of_layers(network)
    ending = f" with {' and '.join(extras)}" if extras else ""
    return f"{kind}{ending}"


def _of_module(network: Network) -> str:
    arguments = json.loads(network.arguments)
    given = ", ".join(f"{name}={json.dumps(value)}" for name, value in arguments.items())
    return f"the module {network.module}({given})"


def _of_layers(network: Network) -> str:
    first = () if network.conv_filters else (network.input_size,)
    sizes = "-".join(str(size) for size in (*first, *network.hidden_sizes, network.num_classes))
    filters = "-".join(str(number) for number in network.conv_filters)
    padding = " without padding" if network.padding == "valid" else ""
    pooling = " with max pooling" if network.pool else ""
    kind = f"convolutions {filters}{padding}{pooling}, then " if filters else ""
    return f"{kind}a perceptron {sizes}"
