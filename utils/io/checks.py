"""What the values in a file must be: one declarative check of tensors, numbers and lists of them.

Files of an earlier stage may be damaged or edited. A reader states what each value must be, once,
and whatever else the file holds becomes one UserError that names file, value and remedy.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from utils.errors import UserError
from utils.io.described import described

KINDS = {
    "float": (torch.float64, torch.float32, torch.float16, torch.bfloat16),
    "int": (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8),
    "bool": (torch.bool,),
}
MOST_NUMBERS = 1 << 28  # of a tensor: more is not of this suite, and might not fit into memory
LARGEST = 1e300  # beyond, numbers overflow when they are squared or read as floats
Shape = tuple[int | str, ...]


@dataclass
class FileCheck:
    """Checks the values of one file, one after another; each check returns the value.

    `remedy` ends every message: the stage that writes the file again, or the forms that are read.
    A dimension that is named in a shape has one size in the whole file: the one it had first, or
    the one that `sizes` states.
    """

    path: Path
    remedy: str
    sizes: dict[str, int] = field(default_factory=dict)

    def error(self, what: str) -> UserError:
        """The error that says `what` is wrong with the file."""
        return UserError(f"{self.path}: {what}; {self.remedy}")

    def mapping(self, value: Any, name: str, keys: Collection[str]) -> Mapping[str, Any]:
        """A dict that has all of `keys`."""
        if not isinstance(value, dict):
            raise self.error(f"{name} is {described(value)}, expected a dict")
        missing = [key for key in keys if key not in value]
        if missing:
            raise self.error(f"{name} has no {', '.join(missing)}")
        return value

    def choice(self, value: Any, name: str, known: Collection[Any]) -> Any:
        """One of `known`."""
        plain = isinstance(value, str | int | bool)
        if not plain or not any(type(value) is type(each) and value == each for each in known):
            expected = " or ".join(map(str, known))
            raise self.error(f"{name} is {described(value)}, expected {expected}")
        return value

    def whole(self, value: Any, name: str, least: int, most: int) -> int:
        """A whole number from `least` to `most`."""
        plain = isinstance(value, int) and not isinstance(value, bool)
        if not plain or not least <= value <= most:
            raise self.error(
                f"{name} is {described(value)}, expected a whole number from {least} to {most}"
            )
        return value

    def numbers(self, value: Any, name: str, count: int) -> list[float]:
        """A list of `count` finite numbers."""
        if not isinstance(value, list | tuple) or len(value) != count:
            raise self.error(f"{name} is {described(value)}, expected {count} numbers")
        if not all(type(x) in (int, float) and abs(x) < LARGEST for x in value):
            raise self.error(f"{name} holds something else than {count} finite numbers")
        return [float(x) for x in value]

    def tensor(
        self,
        value: Any,
        name: str,
        shape: Shape,
        kind: str = "float",
        least: float | None = None,
        above: float | None = None,
        most: float | None = None,
    ) -> Tensor:
        """A dense tensor of finite numbers of a `kind` ('float', 'int' or 'bool').

        Dimensions of size 1 count for nothing where `shape` names no dimension: (48,) is taken for
        (1, 48). Every number is at least `least`, more than `above` and at most `most`.
        """
        if not _is_dense(value) or value.dtype not in KINDS[kind]:
            raise self.error(f"{name} is {described(value)}, expected {_expected(kind, shape)}")
        value = self._shaped(value, name, shape, kind)
        if kind == "float" and not bool(value.isfinite().all()):
            raise self.error(f"{name} holds numbers that are not finite")
        if value.numel() == 0 or kind == "bool":
            return value
        low, high = value.min().item(), value.max().item()
        bounds = (
            (least is not None and low < least, low, f"at least {least}"),
            (above is not None and low <= above, low, f"above {above}"),
            (most is not None and high > most, high, f"at most {most}"),
        )
        for broken, found, expected in bounds:
            if broken:
                raise self.error(f"{name} holds {found:.6g}, expected {expected}")
        return value

    def tensors(self, value: Any, name: str, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A dict of tensors of the names, shapes and finite kinds of those in `like`."""
        self.mapping(value, name, like)
        kinds = {dtype: kind for kind, dtypes in KINDS.items() for dtype in dtypes}
        return {
            key: self.tensor(value[key], f"{name}, {key}", tuple(own.shape), kinds[own.dtype])
            for key, own in like.items()
        }

    def _shaped(self, value: Tensor, name: str, shape: Shape, kind: str) -> Tensor:
        found = tuple(value.shape)
        if all(isinstance(size, int) for size in shape):
            same = [n for n in found if n != 1] == [n for n in shape if n != 1]
            if same:
                return value.reshape(shape)  # type: ignore[arg-type]
        elif len(found) == len(shape):
            sizes = {n: size for n, size in zip(shape, found) if isinstance(n, str)}
            stated = [self.sizes.get(n, sizes[n]) if isinstance(n, str) else n for n in shape]
            if list(found) == stated:
                self.sizes |= sizes
                return value
        sizes = self.sizes
        named = tuple(sizes.get(n, n) if isinstance(n, str) else n for n in shape)
        raise self.error(f"{name} is {described(value)}, expected {_expected(kind, named)}")


def _is_dense(value: Any) -> bool:
    return (
        isinstance(value, Tensor)
        and value.layout == torch.strided
        and not value.is_nested
        and not value.is_quantized
        and value.device.type == "cpu"
        and value.numel() <= MOST_NUMBERS
    )


def _expected(kind: str, shape: Shape) -> str:
    return f"{kind} numbers of shape ({', '.join(map(str, shape))})"
