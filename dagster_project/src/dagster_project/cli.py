"""`refresh_enrichment …` hands its arguments to the engine's command line, `node ts/cli.js refresh …`."""

import os
import subprocess
import sys
from typing import NoReturn

from dagster_project.lib.node import NodeNotFound, find_node
from dagster_project.lib.settings import Settings, SettingsError

EXIT_CONFIGURATION = 78


def main() -> NoReturn:
    try:
        engine_dir = Settings.from_env().engine_dir
        argv = [str(find_node(engine_dir)), str(engine_dir / "ts" / "refresh-cli.js"), *sys.argv[1:]]
    except (NodeNotFound, SettingsError) as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(EXIT_CONFIGURATION)
    if sys.platform == "win32":
        sys.exit(subprocess.run(argv, check=False).returncode)
    # In this process's place: signals and the exit code need nobody in between.
    os.execv(argv[0], argv)


if __name__ == "__main__":
    main()
