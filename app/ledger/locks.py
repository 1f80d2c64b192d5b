"""The keys of advisory locks. Postgres has one space of them per database, which installations may share.

So the schema's name is part of each key. It is taken from the search path, since a lock is also held while the schema
is made.
"""

KEY = "hashtextextended(current_setting('search_path') || ' ' || :lock, 0)"
"""SQL; `lock` is bound to what the lock is about, in words."""
