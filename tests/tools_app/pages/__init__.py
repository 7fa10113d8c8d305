"""The States of the pages."""
