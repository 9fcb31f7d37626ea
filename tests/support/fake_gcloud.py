"""A `gcloud` on PATH that answers from a file and writes down what it was asked.

It knows revisions and traffic only, and says so of anything else; no Google is behind it.
"""

import json
import sys
from pathlib import Path


def main() -> None:
    here = Path(sys.argv[0]).parent
    state = json.loads((here / "revisions.json").read_text())
    arguments = [a for a in sys.argv[1:] if not a.startswith("--")]
    flags = dict(a.split("=", 1) for a in sys.argv[1:] if a.startswith("--") and "=" in a)
    with (here / "asked.jsonl").open("a") as asked:
        asked.write(json.dumps(sys.argv[1:]) + "\n")
    if arguments[:3] == ["run", "revisions", "list"]:
        print(json.dumps(state[flags["--service"]]))
    elif arguments[:3] == ["run", "services", "update-traffic"]:
        if state.get("refuses") == arguments[3]:
            sys.exit("ERROR: (gcloud.run.services.update-traffic) PERMISSION_DENIED")
    else:
        sys.exit(f"The fake gcloud does not know {arguments}.")


if __name__ == "__main__":
    main()
