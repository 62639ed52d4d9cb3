"""The name of an encoder → a local folder: checked, recorded, data only."""
