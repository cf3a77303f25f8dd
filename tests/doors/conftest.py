"""What the doors' real packages need where torch is built without CUDA."""

import importlib.util
import re
from pathlib import Path

import torch


def declare_torchvisions_operators():
    """Declares torchvision's operators where its library does not load: PyPI's build wants torch's own for CUDA.

    LeRobot reads pictures by torchvision's transforms alone, none of which is such an operator.
    """
    found = importlib.util.find_spec("torchvision")
    if found is None or torch.version.cuda is not None:
        return None
    text = (Path(found.origin).parent / "_meta_registrations.py").read_text()
    library = torch.library.Library("torchvision", "DEF")
    for name in sorted(set(re.findall(r'register_(?:meta|fake)\("(?:torchvision::)?(\w+)"', text))):
        library.define(f"{name}(Tensor a) -> Tensor")
    return library


# Before anything imports torchvision, as transformers does where it is installed; kept, or the operators would go.
_OPERATORS = declare_torchvisions_operators()
