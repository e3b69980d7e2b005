import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))

from servers import demo, environment, scripted  # noqa: E402, F401  (fixtures)
