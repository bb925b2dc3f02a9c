"""JupyterLab as the course opens it, whatever the user's own configuration says. Standard library only.

`jupyterlab/` beside this file holds what its command line cannot say: `overrides.json`, settings that hold until the
user changes them; `page_config.json`, which leaves out the menu of nbgrader, a teacher's tool; and `workspace.json`,
the layout of the first start: the notebook's table of contents beside it.
"""

import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
SHIPPED = Path(__file__).parent / "jupyterlab"
WORKSPACE = "default-37a8.jupyterlab-workspace"  # JupyterLab's name for the file of its default workspace


def options(notebook):
    """JupyterLab's command line to open `notebook`: the folder of the course as root, its settings, its first layout.

    The layout is kept, and changed by JupyterLab, in the folder of results. Ends the program where nothing can be
    written there.
    """
    workspaces = Path(os.environ.get("COURSE_RUNS") or ROOT / "runs").resolve() / "jupyterlab"
    try:
        workspaces.mkdir(parents=True, exist_ok=True)
        if not (workspaces / WORKSPACE).exists():
            shutil.copyfile(SHIPPED / "workspace.json", workspaces / WORKSPACE)
    except OSError as error:
        sys.exit(f"{workspaces} cannot be written: {error.strerror}; let COURSE_RUNS name another folder.")
    contents, kernels = "AsyncLargeFileManager", "AsyncMappingKernelManager"  # the classes that have the last word
    return [
        str(notebook),
        f"--LabApp.default_url=/lab/tree/{notebook.relative_to(ROOT).as_posix()}",
        f"--ServerApp.contents_manager_class=jupyter_server.services.contents.largefilemanager.{contents}",
        *(f"--{name}.root_dir={ROOT}" for name in ("ServerApp", contents, kernels)),
        f"--{contents}.preferred_dir=notebooks",
        f"--LabApp.app_settings_dir={SHIPPED}",
        f"--LabApp.workspaces_dir={workspaces}",
    ]
