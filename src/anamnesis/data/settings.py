"""The settings of a corpus, by its `reader`."""

from typing import Annotated

from pydantic import Field

from anamnesis.data.readers.chapters import Chapters
from anamnesis.data.readers.digits import Digits
from anamnesis.data.readers.documents import Documents
from anamnesis.data.readers.pairs import Pairs
from anamnesis.data.readers.passages import Passages
from anamnesis.data.readers.series import Series
from anamnesis.data.readers.stories import Stories
from anamnesis.data.readers.text import Text

Corpus = Annotated[
    Text | Stories | Chapters | Series | Documents | Passages | Pairs | Digits, Field(discriminator="reader")
]
