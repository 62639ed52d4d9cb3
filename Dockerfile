# Serve a model. From the repository's folder:
#   docker build -t ner .                                              the model is mounted:
#   docker run --read-only --tmpfs /tmp -p 127.0.0.1:8000:8000 -v "$PWD/training/full/model-best:/model:ro" ner
#   docker build -t ner --target baked --build-arg MODEL=training/full/model-best .     it is in the image
FROM python:3.12-slim AS build
# PyTorch's builds without CUDA are a tenth of the size; the constraints name the version.
ARG PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu
COPY setup.cfg pyproject.toml constraints.txt README.md LICENSE /src/
COPY spacy_bert_ner /src/spacy_bert_ner
RUN python -m venv /opt/venv
RUN /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check -c /src/constraints.txt '/src[serve]'

FROM python:3.12-slim AS base
RUN useradd --system --uid 10001 --no-create-home ner
COPY --from=build /opt/venv /opt/venv
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HF_HUB_OFFLINE=1 OMP_WAIT_POLICY=PASSIVE
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --start-period=60s CMD ["/opt/venv/bin/python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/ready', timeout=5)"]
# The exec form, so that SIGTERM reaches the server.
ENTRYPOINT ["/opt/venv/bin/python", "-m", "spacy", "bert-ner", "serve"]
CMD ["/model", "--host", "0.0.0.0"]

FROM base AS baked
ARG MODEL=training/full/model-best
COPY ${MODEL} /model

FROM base AS mounted
VOLUME ["/model"]
