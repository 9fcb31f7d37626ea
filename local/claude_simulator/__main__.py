"""`python -m local.claude_simulator`: serve on 127.0.0.1 until told to stop."""

import logging
import sys

import uvicorn
from pydantic import ValidationError

from local.claude_simulator.app import create_app
from local.claude_simulator.settings import Settings
from local.simulation.http import missing_settings


def main() -> None:
    """Exit with one sentence per missing or wrong variable."""
    try:
        settings = Settings.model_validate({})
    except ValidationError as error:
        sys.exit(missing_settings(error))
    logging.basicConfig(level=logging.WARNING, format="claude simulator: %(message)s")
    uvicorn.run(
        create_app(settings),
        host="127.0.0.1",
        port=settings.port,
        log_level="warning",
        access_log=False,
        # A call that was asked to hang must not hold up the end.
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    main()
