"""Say whether this machine's TensorRT is the pinned one: `python3 check_tensorrt.py 11.1.0`; status 1 where it is not.

It asks the library itself, and runs on the Python of NVIDIA's image. No GPU is needed.
"""

import ctypes
import sys

# A library's file carries the first number of its version. Those that may be asked: the wanted one's, then others, so
# that a wrong image is named rather than said to have none.
MAJORS = (10, 11, 12)


def version(number: int) -> str:
    """The version behind the library's number: 110100 is 11.1.0."""
    return f"{number // 10000}.{number // 100 % 100}.{number % 100}"


def load(wanted: int) -> ctypes.CDLL | None:
    """The library of this version, or of another one; None where there is none."""
    for major in (wanted, *MAJORS):
        try:
            return ctypes.CDLL(f"libnvinfer.so.{major}")
        except OSError:
            continue
    return None


def main(wanted: str) -> str | None:
    """None, or what is wrong."""
    library = load(int(wanted.partition(".")[0]))
    if library is None:
        return f"TensorRT {wanted} is wanted, and there is none: no libnvinfer.so of any of {MAJORS}"
    found = version(library.getInferLibVersion())
    if found != wanted:
        return (
            f"TensorRT {wanted} is wanted, the image has {found}: change TENSORRT_VERSION or TRITON_TAG in versions.env"
        )
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
