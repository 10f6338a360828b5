"""The base of every settings class: values are checked, unknown keys refused, nothing changes afterwards."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """A block of params.yaml or corpora.yaml: strict about types, closed to unknown keys, frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
