"""What a search and the processes that train its forks tell each other, over pipes: plain values and tensors."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import IO, Any, TypeAlias

import torch

Message: TypeAlias = Mapping[str, Any]
_LENGTH = 8


def write(file: IO[bytes], **message: Any) -> None:
    """Send a message.

    Raises:
        OSError: nobody reads.
    """
    content = BytesIO()
    torch.save(message, content)
    file.write(content.tell().to_bytes(_LENGTH))
    file.write(content.getbuffer())
    file.flush()


def read(file: IO[bytes]) -> Message | None:
    """The next message; None where there is no more, or the last was not ended."""
    length = file.read(_LENGTH)
    content = file.read(int.from_bytes(length)) if len(length) == _LENGTH else b""
    if not content or len(content) != int.from_bytes(length):
        return None
    found: Message = torch.load(BytesIO(content), weights_only=True)
    return found
