"""Set up one of the project's virtual environments; the Makefile calls it, `make help` says how.

This file only checks the Python and starts the installer. Keep it readable by old Pythons, down
to 2.7, so that they report their version instead of a SyntaxError.
"""

import os
import sys

if sys.version_info < (3, 10):
    sys.exit(
        'Error: ' + sys.executable + ' is Python ' + '.'.join(map(str, sys.version_info[:3])) + ', '
        'but this project needs 3.10 to 3.12; choose another: make PYTHON=python3.11 ...'
    )

if __name__ == '__main__':
    # Python does this itself, but not if PYTHONSAFEPATH is set.
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    from installer.command_line import main

    sys.exit(main())
