"""The filter language of the REST data plane, a small part of OData (spec/service.md 8.5).

`lexer` cuts text into tokens, `parser` makes a program of them, `program` runs it. What is not understood is a
`FilterError`: no text that a person got wrong ever matches everybody.
"""

from localpubsub.protocol.odata.lexer import FilterError
from localpubsub.protocol.odata.parser import NESTING_LIMIT, parse
from localpubsub.protocol.odata.program import Filter, Subject

__all__ = ["NESTING_LIMIT", "Filter", "FilterError", "Subject", "parse"]
