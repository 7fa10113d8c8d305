"""The ground floor: what the data is (tables), how it is read and written (queries), how it is reached (infra)."""
