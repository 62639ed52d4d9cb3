"""Arrow tables with a column of texts → the same with their entities, in your own pipeline."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from .part import Labeller
from .places import import_pyarrow
from .records import find_fault
from .writers import find_schema, list_entities

SPARK_COLUMNS = (
    "entities array<struct<start:bigint,end:bigint,text:string,label:string,score:double>>, "
    "error string"
)
"""The added columns, as Spark writes a schema."""


class AddEntities:
    """Adds the columns `entities` and `error` to Arrow tables.

    The class is for `map_batches` of Ray Data (with `batch_format="pyarrow"`), the method
    `stream` of an object for `mapInArrow` of Spark. The pipeline is loaded once in each
    process, when the first batch comes.

    model (str): Folder or package of the pipeline.
    text_field (str): Name of the column with the texts.
    threshold (float | None): Minimum probability of an entity; `None` for the model's own.
    gpu_id (int): Number of the GPU; -1 for the CPU.
    """

    def __init__(
        self,
        model: str,
        *,
        text_field: str = "text",
        threshold: float | None = None,
        gpu_id: int = -1,
    ) -> None:
        """Remember the settings; nothing is loaded."""
        self.model = str(model)
        self.text_field = text_field
        self.threshold = threshold
        self.gpu_id = gpu_id

    def __call__(self, table: Any) -> Any:
        """Label the texts of a table.

        table (pyarrow.Table | pyarrow.RecordBatch): With the column of texts.
        RETURNS (pyarrow.Table | pyarrow.RecordBatch): With two more columns: entities, as
            in Parquet output, and error: why a text has none, else null.
        RAISES (ValueError): If a column is missing, or one is there already.
        """
        names = table.schema.names
        wrong = [name for name in ("entities", "error") if name in names]
        if self.text_field not in names or wrong:
            raise ValueError(
                f"Columns {', '.join(names)}, expected '{self.text_field}' among them, and none "
                "called 'entities' or 'error'. Set `text_field`, or rename columns."
            )
        pa = import_pyarrow("")
        entities, errors = self._label(table.column(self.text_field).to_pylist())
        kind = find_schema().field("entities").type
        columns = [*table.columns, pa.array(entities, kind), pa.array(errors, pa.string())]
        return type(table).from_arrays(columns, names=[*names, "entities", "error"])

    def stream(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Label the texts of one batch after the other.

        batches (Iterable[pyarrow.RecordBatch]): With the column of texts.
        YIELDS (pyarrow.RecordBatch): As `__call__` gives them.
        """
        yield from map(self, batches)

    def _label(self, texts: list[Any]) -> tuple[list[Any], list[str | None]]:
        labeller = load_labeller(self.model, self.threshold, self.gpu_id)
        nlp = labeller.nlp
        entities: list[Any] = [None] * len(texts)
        errors = [find_fault(text, nlp.max_length) or None for text in texts]
        good = [i for i, error in enumerate(errors) if error is None]
        for start in range(0, len(good), nlp.batch_size):
            chosen = good[start : start + nlp.batch_size]
            labeller.forget_words()
            docs = labeller.label([texts[i] for i in chosen])
            for i, doc in zip(chosen, docs, strict=True):
                if isinstance(doc, str):
                    errors[i] = doc
                else:
                    entities[i] = list_entities(labeller.find_entities(doc))
            del docs, doc
        return entities, errors


@lru_cache(maxsize=1)
def load_labeller(model: str, threshold: float | None, gpu_id: int) -> Labeller:
    """RETURNS (Labeller): The pipeline, loaded once in each process."""
    return Labeller(model, threshold=threshold, gpu_id=gpu_id)
