"""What other systems get of a release: a PostgreSQL database, and OMOP's Common Data Model as files."""
