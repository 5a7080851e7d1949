"""Definitions, one kind a file. Factories take the settings; `definitions.py` puts them together."""
