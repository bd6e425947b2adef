"""Write constraints.txt: every version that is installed here, and so was tested together."""

import importlib.metadata
from pathlib import Path

OURS = {"telemetry-workbench"}
TOOLS = {"pip", "setuptools", "uv", "wheel"}


def main() -> None:
    """Everything installed beside us, one line each."""
    installed = {each.metadata["Name"].lower(): each.version for each in importlib.metadata.distributions()}
    lines = [f"{name}=={installed[name]}" for name in sorted(installed) if name not in OURS | TOOLS]
    text = "# Tested together; written by `make constraints`.\n" + "\n".join(lines) + "\n"
    (Path(__file__).parent.parent / "constraints.txt").write_text(text)


if __name__ == "__main__":
    main()
