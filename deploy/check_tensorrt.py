"""Say whether this machine's TensorRT is the pinned one: `python3 check_tensorrt.py 10.5.0`; status 1 where it is not.

It asks the library itself, and runs on the Python of NVIDIA's image. No GPU is needed.
"""

import ctypes
import sys

LIBRARY = "libnvinfer.so.10"


def version(number: int) -> str:
    """The version behind the library's number: 100500 is 10.5.0."""
    return f"{number // 10000}.{number // 100 % 100}.{number % 100}"


def main(wanted: str) -> str | None:
    """None, or what is wrong."""
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError as error:
        return f"TensorRT {wanted} is wanted, and there is none: {error}"
    found = version(library.getInferLibVersion())
    if found != wanted:
        return (
            f"TensorRT {wanted} is wanted, the image has {found}: change TENSORRT_VERSION or TRITON_TAG in versions.env"
        )
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
