"""Makes each process one of another release: PYTHONPATH makes Python import this at each start.

MIGRATIONS names the directory of that release's migrations, from which a process knows its revision.
"""

import os
from pathlib import Path

from app.ledger import revisions

assert revisions.MIGRATIONS.is_dir(), "the migrations are elsewhere now, so that nothing would be replaced"
revisions.MIGRATIONS = Path(os.environ["MIGRATIONS"])
