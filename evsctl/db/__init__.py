"""The only room with SQL: the survey database, and what is merged into it."""
