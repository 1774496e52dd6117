"""``python stock_runtime.py``: AWS's own runtime client, for an ordinary handler.

The managed runtime's bootstrap in short: what the client brings lies in LAMBDA_RUNTIME_DIR and
comes last on the path, behind the function's code and its layers.
"""

import os
import runpy
import sys


def main() -> None:
    environment = os.environ
    sys.path[0] = environment["LAMBDA_TASK_ROOT"]
    sys.path.append(environment["LAMBDA_RUNTIME_DIR"])
    sys.argv[1:] = [environment["_HANDLER"]]
    runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
