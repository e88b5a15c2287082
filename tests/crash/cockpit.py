"""A cockpit for the crash matrix: what the command line does for train, resume and attach, minus
the forecast, and then watching until the run is over. Its last line says what it did, as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from cockpit.errors import CockpitError
from cockpit.system import launcher, plan_file, resume, run_dir
from cockpit.system.observe import RunWatcher
from cockpit.system.run_dir import RunDir

WATCH_SECONDS = 0.05


def main(action: str, where: str, home: str) -> int:  # home: to be told apart in ps
    try:
        if action == "train":
            run = run_dir.create(plan_file.read(Path(where)))
            say(run=run.name)
            launcher.launch(run)
        else:
            run = RunDir(Path(where))
            if action == "resume":
                prepared = resume.prepare(run)
                resume.start(prepared)
                say(resumed=prepared.state.update, passed_over=prepared.passed_over)
            else:
                say(adopted=launcher.replace_dead_supervisor(run))
    except CockpitError as error:
        say(refused=error.title, message=error.message)
        return error.exit_code
    watch(run)
    return 0


def watch(run: RunDir) -> None:
    watcher = RunWatcher(run)
    while watcher.poll().active or not watcher.caught_up:
        time.sleep(WATCH_SECONDS)


def say(**fields: object) -> None:
    print(json.dumps(fields), flush=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
