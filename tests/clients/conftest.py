import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))  # proxies

from servers import demo, empty, environment, hub, scripted  # noqa: E402, F401  (fixtures)
