"""A FastAPI application around an encoder, with dynamic batching by hand."""

from collections.abc import Callable

import numpy as np
import orjson
import uvicorn
from batching import Batcher
from fastapi import FastAPI, Response
from numpy.typing import NDArray
from pydantic import BaseModel


class Asked(BaseModel):
    """The body of a request."""

    text: str


def serve(encode: Callable[[list[str]], NDArray[np.float32]], port: int) -> None:
    """Serve until ended."""
    batcher = Batcher(encode)
    app = FastAPI()

    @app.post("/embed")
    async def embed(asked: Asked) -> Response:
        body = orjson.dumps({"embedding": await batcher(asked.text)}, option=orjson.OPT_SERIALIZE_NUMPY)
        return Response(body, media_type="application/json")

    uvicorn.run(
        app, host="127.0.0.1", port=port, loop="uvloop", http="httptools", access_log=False, log_level="warning"
    )
