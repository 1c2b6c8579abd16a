import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # `import model_builders`, `import loop_script`
