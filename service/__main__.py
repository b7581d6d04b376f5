"""`python -m service` is `lectern`."""

import sys

from service.cli import main

sys.exit(main())
