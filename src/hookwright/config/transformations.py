"""What the scripts of endpoints may take."""

from pydantic import BaseModel

from hookwright.config.options import option


class Transformations(BaseModel):
    transformation_workers: int = option(
        4,
        "processes",
        "Processes in which transformations run, one at a time in each; 0 turns transformations off.",
        "None is begun before there is a transformation to run; and one customer's never has them all.",
        ge=0,
        le=256,
    )
    transformation_seconds: float = option(
        1.0,
        "seconds",
        "The processor's time that one run of a transformation may take.",
        "A thousand times what a useful one takes, and little enough to be lost.",
        gt=0,
        le=30,
    )
    transformation_bytes: int = option(
        64 * 1024 * 1024,
        "bytes",
        "The memory that one run of a transformation may take.",
        "A message of the largest size fits in several times.",
        ge=8 * 1024 * 1024,
        le=1024 * 1024 * 1024,
    )
