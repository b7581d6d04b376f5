"""FastAPI and pydantic as their documentation has them; the two routes differ in `async` only.

python fastapi_server.py PORT
"""

from __future__ import annotations

import sys

import uvicorn
from digits import Digits
from fastapi import FastAPI
from pydantic import BaseModel


class Pictures(BaseModel):
    """The request."""

    pixels: list[list[list[float]]]


class Answer(BaseModel):
    """The answer."""

    probabilities: list[list[float]]


app = FastAPI()
model = Digits()


@app.post("/async")
async def classify(pictures: Pictures) -> Answer:
    """Run the model in the event loop."""
    return Answer(probabilities=model(pictures.pixels).tolist())


@app.post("/threads")
def classify_in_thread(pictures: Pictures) -> Answer:
    """Run the model in a thread of the pool."""
    return Answer(probabilities=model(pictures.pixels).tolist())


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=False, log_level="warning")
