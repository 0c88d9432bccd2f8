"""XML files, read without what makes XML dangerous."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from utils.captures.calibrations.reading import read_text
from utils.errors import UserError
from utils.io.decoding import decoding


def load_xml(path: Path, what: str) -> ElementTree.Element:
    """The root of an XML file; what: what it should be, for the message.

    Raises UserError on what is not well-formed, and on documents that declare a type or entities,
    which can name other files or grow without bounds.
    """
    text = read_text(path, what)
    if re.search(r"<!(DOCTYPE|ENTITY)", text, re.IGNORECASE):
        raise UserError(f"{path} declares a document type or entities, which {what} does not have")
    with decoding(path, f"not {what}", "export it again"):
        return ElementTree.fromstring(text)
