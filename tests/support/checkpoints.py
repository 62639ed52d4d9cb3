"""Tiny encoders of each kind, built offline: folders in Hugging Face layout."""

from pathlib import Path

import torch
from tokenizers import (
    ByteLevelBPETokenizer,
    Tokenizer,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)
from tokenizers.processors import TemplateProcessing
from transformers import (
    AlbertConfig,
    AlbertModel,
    AlbertTokenizerFast,
    BertConfig,
    BertModel,
    BertTokenizerFast,
    CamembertConfig,
    CamembertModel,
    CamembertTokenizerFast,
    DebertaV2Config,
    DebertaV2Model,
    DebertaV2TokenizerFast,
    DistilBertConfig,
    DistilBertModel,
    DistilBertTokenizerFast,
    ElectraConfig,
    ElectraModel,
    ElectraTokenizerFast,
    FunnelConfig,
    FunnelModel,
    FunnelTokenizerFast,
    ModernBertConfig,
    ModernBertModel,
    MPNetConfig,
    MPNetModel,
    MPNetTokenizerFast,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
    RobertaTokenizerFast,
    XLMRobertaConfig,
    XLMRobertaModel,
    XLMRobertaTokenizerFast,
    XLNetConfig,
    XLNetModel,
    XLNetTokenizerFast,
)

TEXT = [
    "alex lives in london , and no one is in paris .",
    "Alex lives in London, and no one is in Paris. Iraq's tweets began just moments after",
    "the Fox News report by Mike Tobin, a reporter for the network, about protests.",
    "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789 .,;:!?'\"()-",
]
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SIZES = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 40}
KINDS = ("bert", "distilbert", "electra", "roberta", "xlm-roberta", "modernbert")


def build_checkpoint(kind: str, folder: Path, *, seed: int = 0) -> Path:
    """Build an encoder with random weights, vectors 24 wide, 2 layers.

    kind (str): One of `KINDS`.
    folder (Path): Where to write it; made if need be.
    RETURNS (Path): The folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    model, tokenizer = BUILDERS[kind](folder)
    # larger than the usual initial weights, so that each piece tells
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def write_vocab(folder):
    words = sorted({word for line in TEXT[:2] for word in line.lower().split()})
    chars = sorted({char for line in TEXT for char in line.lower() if not char.isspace()})
    vocab = [*SPECIALS, *words, *(c for c in chars if c not in words), *(f"##{c}" for c in chars)]
    path = folder / "vocab.txt"
    path.write_text("\n".join(vocab), "utf8")
    return len(vocab), str(path)


def write_words(folder):
    write_vocab(folder)
    return (folder / "vocab.txt").read_text("utf8").split("\n")


def build_bert(folder):
    n_vocab, path = write_vocab(folder)
    config = BertConfig(vocab_size=n_vocab, hidden_size=24, max_position_embeddings=40, **SIZES)
    return BertModel(config), BertTokenizerFast(path, model_max_length=10**30)


def build_electra(folder):
    n_vocab, path = write_vocab(folder)
    config = ElectraConfig(
        vocab_size=n_vocab, embedding_size=16, hidden_size=24, max_position_embeddings=40, **SIZES
    )
    return ElectraModel(config), ElectraTokenizerFast(path)


def build_distilbert(folder):
    n_vocab, path = write_vocab(folder)
    config = DistilBertConfig(
        vocab_size=n_vocab, dim=24, n_layers=2, n_heads=2, hidden_dim=40, max_position_embeddings=40
    )
    return DistilBertModel(config), DistilBertTokenizerFast(path)


def build_modernbert(folder):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=320, special_tokens=SPECIALS, show_progress=False)
    tokenizer.train_from_iterator(TEXT, trainer)
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    config = ModernBertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=24,
        max_position_embeddings=40,
        local_attention=8,
        global_attn_every_n_layers=2,
        pad_token_id=0,
        cls_token_id=2,
        sep_token_id=3,
        attention_dropout=0.1,
        mlp_dropout=0.1,
        embedding_dropout=0.1,
        **SIZES,
    )
    specials = dict(zip(names, SPECIALS, strict=True))
    return ModernBertModel(config), PreTrainedTokenizerFast(tokenizer_object=tokenizer, **specials)


def build_roberta(folder):
    bpe = ByteLevelBPETokenizer()
    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    bpe.train_from_iterator(
        TEXT, vocab_size=320, min_frequency=1, special_tokens=specials, show_progress=False
    )
    vocab, merges = bpe.save_model(str(folder))
    config = RobertaConfig(
        vocab_size=320, hidden_size=24, max_position_embeddings=42, type_vocab_size=1, **SIZES
    )
    return RobertaModel(config), RobertaTokenizerFast(vocab, merges)


def build_xlm_roberta(folder):
    tokenizer = train_unigram(["<s>", "<pad>", "</s>", "<unk>", "<mask>"], "<s> $A </s>")
    config = XLMRobertaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=24,
        max_position_embeddings=42,
        type_vocab_size=1,
        pad_token_id=1,
        **SIZES,
    )
    return XLMRobertaModel(config), XLMRobertaTokenizerFast(tokenizer_object=tokenizer)


def build_camembert(folder):
    tokenizer = train_unigram(["<s>", "<pad>", "</s>", "<unk>", "<mask>"], "<s> $A </s>")
    config = CamembertConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=24, max_position_embeddings=42, **SIZES
    )
    return CamembertModel(config), CamembertTokenizerFast(tokenizer_object=tokenizer)


def build_albert(folder):
    tokenizer = train_unigram(["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"], "[CLS] $A [SEP]")
    config = AlbertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        embedding_size=16,
        hidden_size=24,
        max_position_embeddings=40,
        **SIZES,
    )
    return AlbertModel(config), AlbertTokenizerFast(tokenizer_object=tokenizer)


def build_deberta_v2(folder):
    tokenizer = train_unigram(["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"], "[CLS] $A [SEP]")
    config = DebertaV2Config(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=24,
        max_position_embeddings=40,
        type_vocab_size=0,
        relative_attention=True,
        position_buckets=8,
        norm_rel_ebd="layer_norm",
        share_att_key=True,
        pos_att_type=["p2c", "c2p"],
        position_biased_input=False,
        **SIZES,
    )
    return DebertaV2Model(config), DebertaV2TokenizerFast(tokenizer_object=tokenizer)


def build_xlnet(folder):
    tokenizer = train_unigram(["<unk>", "<pad>", "<sep>", "<cls>", "<mask>"], "$A <sep> <cls>")
    config = XLNetConfig(
        vocab_size=tokenizer.get_vocab_size(), d_model=24, n_layer=2, n_head=2, d_inner=40
    )
    return XLNetModel(config), XLNetTokenizerFast(tokenizer_object=tokenizer)


def train_unigram(specials, template):
    """Train a sentencepiece-like tokenizer whose first special pieces are these."""
    (unknown,) = [special for special in specials if "unk" in special.lower()]
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace("  ", " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=140, special_tokens=specials, unk_token=unknown, show_progress=False
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    around = [(piece, specials.index(piece)) for piece in template.split() if piece != "$A"]
    tokenizer.post_processor = TemplateProcessing(single=template, special_tokens=around)
    return tokenizer


def build_mpnet(folder):
    words = [word for word in write_words(folder) if word not in SPECIALS]
    path = folder / "vocab.txt"
    path.write_text("\n".join(["<s>", "<pad>", "</s>", "[UNK]", "<mask>", *words]), "utf8")
    config = MPNetConfig(
        vocab_size=len(words) + 5, hidden_size=24, max_position_embeddings=42, **SIZES
    )
    return MPNetModel(config), MPNetTokenizerFast(str(path))


def build_funnel(folder):
    words = [word for word in write_words(folder) if word not in SPECIALS]
    path = folder / "vocab.txt"
    path.write_text("\n".join(["<pad>", "<unk>", "<cls>", "<sep>", "<mask>", *words]), "utf8")
    config = FunnelConfig(
        vocab_size=len(words) + 5, d_model=24, n_head=2, d_head=12, d_inner=40, block_sizes=[1, 1]
    )
    return FunnelModel(config), FunnelTokenizerFast(str(path))


BUILDERS = {
    "albert": build_albert,
    "bert": build_bert,
    "camembert": build_camembert,
    "deberta-v2": build_deberta_v2,
    "distilbert": build_distilbert,
    "electra": build_electra,
    "funnel": build_funnel,
    "modernbert": build_modernbert,
    "mpnet": build_mpnet,
    "roberta": build_roberta,
    "xlm-roberta": build_xlm_roberta,
    "xlnet": build_xlnet,
}
