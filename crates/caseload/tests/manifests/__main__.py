"""Checks each document of each file against the schema of its kind."""

import argparse
import sys
from pathlib import Path

import yaml

from . import schemas


def main() -> int:
    parser = argparse.ArgumentParser(prog="manifests", description=__doc__)
    parser.add_argument("file", nargs="+", type=Path)
    failures = []
    for file in parser.parse_args().file:
        documents = list(yaml.safe_load_all(file.read_text()))
        for document in documents:
            name = f"{file}: {document.get('kind')} {document.get('metadata', {}).get('name')}"
            failures += [f"{name}: {problem}" for problem in problems(document)]
        print(f"manifests: {file}: {len(documents)} documents")
    for failure in failures:
        print(f"manifests: {failure}", file=sys.stderr)
    return 1 if failures else 0


def problems(document: schemas.Document) -> list[str]:
    """Returns what is wrong with a document, and with its schema: one that takes any field proves nothing."""
    found = []
    try:
        schemas.check(document)
    except Exception as error:
        found.append(str(error))
    if "spec" in document:
        try:
            schemas.check(document | {"spec": document["spec"] | {"misspelt": "x"}})
            found.append("the schema takes a field that does not exist")
        except Exception:
            pass
    return found


sys.exit(main())
