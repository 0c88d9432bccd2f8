"""An unpickler that a small file cannot keep busy for ever, nor make grow beyond memory.

pickle's own one, in C, believes the file: a place in its memo, the size of an array of bytes, or a
key that is a tuple of tuples, whose hash takes a time that doubles with every level.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

MOST_STEPS = 2_000_000  # of a pickle's program; those of hand models have thousands
KEY_TYPES = (str, bytes, int, float, bool, type(None))


def check_names(entries: Iterable[Any]) -> None:
    """Raise UnpicklingError unless all entries are names or numbers, as keys are."""
    if not all(isinstance(entry, KEY_TYPES) for entry in entries):
        raise pickle.UnpicklingError("a key is neither a name nor a number")


def names_only(build: Callable[..., Any]) -> Callable[..., Any]:
    """`build` as a function of nothing, or of a list of names or numbers."""

    def checked(entries: Any = ()) -> Any:
        check_names(entries)
        return build(entries)

    return checked


class BoundedUnpickler(pickle._Unpickler):
    """Python's own unpickler in Python, with text of Python 2 as latin1; its steps are counted.

    Keys of dictionaries and members of sets may only be names and numbers.
    """

    dispatch: ClassVar = dict(pickle._Unpickler.dispatch)

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding="latin1")
        self._steps = 0
        self.dispatch = {code: self._counted(step) for code, step in type(self).dispatch.items()}

    def _counted(self, step: Callable[[Any], None]) -> Callable[[Any], None]:
        def counted(unpickler: Any) -> None:
            self._steps += 1
            if self._steps > MOST_STEPS:
                raise pickle.UnpicklingError(f"it takes more than {MOST_STEPS} steps")
            step(unpickler)

        return counted

    def load_setitem(self) -> None:
        """A key and its value."""
        check_names(self.stack[-2:-1])
        super().load_setitem()

    def load_setitems(self) -> None:
        """Keys and values."""
        check_names(self.stack[::2])
        super().load_setitems()

    def load_dict(self) -> None:
        """A dictionary of keys and values."""
        check_names(self.stack[::2])
        super().load_dict()

    def load_additems(self) -> None:
        """Members of a set."""
        check_names(self.stack)
        super().load_additems()

    def load_frozenset(self) -> None:
        """A set of members."""
        check_names(self.stack)
        super().load_frozenset()

    def load_bytearray8(self) -> None:
        """Bytes, as many as the file says and holds."""
        size = int.from_bytes(self.read(8), "little")
        data = self.read(size)
        if len(data) < size:
            raise pickle.UnpicklingError("it ends within an array of bytes")
        self.append(bytearray(data))

    dispatch[pickle.SETITEM[0]] = load_setitem
    dispatch[pickle.SETITEMS[0]] = load_setitems
    dispatch[pickle.DICT[0]] = load_dict
    dispatch[pickle.ADDITEMS[0]] = load_additems
    dispatch[pickle.FROZENSET[0]] = load_frozenset
    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8
