"""Writes docs/contract.md from the comments of the contract, and checks that it is fresh.

python proto/document.py            write docs/contract.md
python proto/document.py --check    fail if it is stale
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from generate import PROTO, ROOT, google_protos
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

TARGET = ROOT / "docs" / "contract.md"
ORDER = ["launch", "recommendation", "catalog", "feedback", "model_release", "types", "errors"]
SCALARS = {
    value: name.removeprefix("TYPE_").lower()
    for name, value in FieldDescriptorProto.Type.items()
    if name not in ("TYPE_MESSAGE", "TYPE_ENUM", "TYPE_GROUP")
}
Comments = dict[tuple[int, ...], str]


def descriptors() -> list[FileDescriptorProto]:
    """The contract's files with their comments."""
    sources = sorted(str(path.relative_to(PROTO)) for path in PROTO.glob("onshelf/v1/*.proto"))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "set.bin"
        command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO}", f"-I{google_protos()}"]
        import grpc_tools

        command.append(f"-I{Path(grpc_tools.__file__).parent / '_proto'}")
        subprocess.run([*command, f"--descriptor_set_out={out}", "--include_source_info", *sources], check=True)
        files = FileDescriptorSet.FromString(out.read_bytes()).file
    by_name = {Path(file.name).stem: file for file in files}
    assert sorted(by_name) == sorted(ORDER), f"ORDER lists {sorted(ORDER)}, the contract has {sorted(by_name)}"
    return [by_name[name] for name in ORDER]


def comments_of(file: FileDescriptorProto) -> Comments:
    """Comment by location path, on one line."""
    return {tuple(place.path): " ".join(place.leading_comments.split()) for place in file.source_code_info.location}


def type_name(field: FieldDescriptorProto) -> str:
    """The field's type as it is written in the contract."""
    name = SCALARS.get(field.type) or field.type_name.removeprefix(".onshelf.v1.").removeprefix(".")
    if name.endswith("AttributesEntry"):
        return "map<string, string>"
    repeated = field.label == FieldDescriptorProto.LABEL_REPEATED
    return f"repeated {name}" if repeated else f"optional {name}" if field.proto3_optional else name


def cell(text: str) -> str:
    """Text that is safe in a table cell."""
    return text.replace("|", "\\|").replace("<", "&lt;")


def message_lines(message: DescriptorProto, path: tuple[int, ...], comments: Comments) -> Iterator[str]:
    """Section of one message."""
    yield f"### {message.name}\n\n{comments[path]}\n"
    if message.field:
        yield "| Field | Type | Meaning |\n|---|---|---|"
        for i, field in enumerate(message.field):
            yield f"| `{field.name}` | {cell(type_name(field))} | {cell(comments[(*path, 2, i)])} |"
        yield ""


def enum_lines(enum: EnumDescriptorProto, path: tuple[int, ...], comments: Comments) -> Iterator[str]:
    """Section of one enum."""
    yield f"### {enum.name}\n\n{comments[path]}\n\n| Value | Number | Meaning |\n|---|---|---|"
    for i, value in enumerate(enum.value):
        yield f"| `{value.name}` | {value.number} | {cell(comments[(*path, 2, i)])} |"
    yield ""


def document() -> str:
    """The whole page."""
    lines = [
        "# The contract\n",
        "Package `onshelf.v1`, generated from `proto/onshelf/v1` by `make proto`. Do not edit.\n",
        "Dates are local dates, ISO 8601, in the model release's IANA zone unless a request names another. Money is",
        "`google.type.Money` in the model release's currency. A field without *Required* is optional; a limit that is",
        "exceeded is refused with INVALID_ARGUMENT unless its comment says otherwise.\n",
    ]
    for file in descriptors():
        comments = comments_of(file)
        lines.append(f"## {Path(file.name).name}\n")
        for s, service in enumerate(file.service):
            lines.append(
                f"### {service.name}\n\n{comments[(6, s)]}\n\n| Call | Request | Response | Meaning |\n"
                + "|---" * 4
                + "|"
            )
            for m, method in enumerate(service.method):
                ends = [
                    ("stream " if streaming else "") + name.rsplit(".", 1)[-1]
                    for streaming, name in (
                        (method.client_streaming, method.input_type),
                        (method.server_streaming, method.output_type),
                    )
                ]
                lines.append(f"| `{method.name}` | {ends[0]} | {ends[1]} | {cell(comments[(6, s, 2, m)])} |")
            lines.append("")
        for i, message in enumerate(file.message_type):
            lines.extend(message_lines(message, (4, i), comments))
        for i, enum in enumerate(file.enum_type):
            lines.extend(enum_lines(enum, (5, i), comments))
    return "\n".join(lines).rstrip() + "\n"


def main() -> int:
    """Write the page, or check it."""
    parser = argparse.ArgumentParser(description="Write docs/contract.md from the contract's comments.")
    parser.add_argument("--check", action="store_true", help="fail if docs/contract.md is stale")
    text = document()
    if parser.parse_args().check:
        if not TARGET.exists() or TARGET.read_text() != text:
            print("stale: docs/contract.md: run `make proto`", file=sys.stderr)
            return 1
        return 0
    TARGET.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
