"""`python -m onshelf_exporter` is `onshelf-exporter`; torchrun starts it by that name."""

import sys

from onshelf_exporter.cli import main

sys.exit(main())
