"""The money and the rights, in Postgres."""
