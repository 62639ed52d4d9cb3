"""SpanMarker: trained with its own Trainer, as its documentation does."""

from child import run
from datasets import Dataset
from span_marker import SpanMarkerModel, Trainer
from transformers import TrainingArguments


def train(sentences, encoder, epochs, seed, folder):
    """Fine-tune; entities have at most eight words, its default."""
    labels = sorted({label for _, spans in sentences for *_, label in spans})
    names = ["O", *(f"{prefix}-{label}" for label in labels for prefix in "BI")]
    rows = []
    for words, spans in sentences:
        tags = [0] * len(words)
        for start, end, label in spans:
            tags[start:end] = [names.index(f"I-{label}")] * (end - start)
            tags[start] = names.index(f"B-{label}")
        rows.append({"tokens": words, "ner_tags": tags})
    model = SpanMarkerModel.from_pretrained(
        encoder, labels=names, model_max_length=256, entity_max_length=8
    )
    arguments = TrainingArguments(
        output_dir=str(folder / "steps"),
        learning_rate=2e-4,
        per_device_train_batch_size=32,
        num_train_epochs=epochs,
        warmup_ratio=0.1,
        weight_decay=0.01,
        seed=seed,
        use_cpu=True,
        report_to=[],
        save_strategy="no",
    )
    Trainer(model=model, args=arguments, train_dataset=Dataset.from_list(rows)).train()
    model.save_pretrained(folder / "model")


def load(folder):
    """Load the model."""
    model = SpanMarkerModel.from_pretrained(folder / "model")

    def read(texts):
        model.predict(texts, batch_size=32)

    def find(sentences):
        found = model.predict(sentences, batch_size=32)
        return [
            [[e["word_start_index"], e["word_end_index"], e["label"]] for e in ents]
            for ents in found
        ]

    return read, find


if __name__ == "__main__":
    run(train, load)
