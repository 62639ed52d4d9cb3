"""Damage to files: what a bad disk or a broken copy does."""


def damage(path, kind):
    data = bytearray(path.read_bytes())
    if kind == "delete":
        path.unlink()
        return
    if kind == "flip":
        data[len(data) // 2] ^= 1
    path.write_bytes(data[: len(data) // 2] if kind == "cut" else data)
