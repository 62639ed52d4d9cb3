"""The flags of `serve` → one frozen object that every worker process gets."""

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class ServerSettings:
    """What a server loads, how it forms batches, and what it accepts.

    model (str): A model folder, or the name of an installed model package.
    gpu_id (int): GPU, or -1 for the CPU.
    workers (int): Number of processes; each loads the model.
    batch_words (int): Words that are predicted at once; a longer text is predicted alone.
    queue_words (int): Words that may wait or be in work; beyond, requests get 429.
    max_texts (int): Texts in a request.
    max_chars (int): Characters in a text.
    max_body (int): Bytes in a request.
    timeout (float): Seconds until a request is given up: to send it, and to answer it.
    train_config (str): Config with which to train on Label Studio's annotations; "" for none.
    train_output (str): Folder that gets a folder for each training run.
    """

    model: str
    gpu_id: int = -1
    workers: int = 1
    batch_words: int = 1024
    queue_words: int = 100_000
    max_texts: int = 256
    max_chars: int = 100_000
    max_body: int = 2_000_000
    timeout: float = 30.0
    train_config: str = ""
    train_output: str = "trained"

    def __post_init__(self) -> None:
        """Check the values.

        RAISES (ValueError): If a number is too small.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            least = {"gpu_id": -1, "timeout": 0.1}.get(field.name, 1)
            if not isinstance(value, str) and value < least:
                raise ValueError(f"`{field.name}` is {value}, expected {least} or more.")
