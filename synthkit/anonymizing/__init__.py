"""Tables that may stand in for real ones: drawn, tested, and handed over with a certificate, or refused."""

from synthkit.anonymizing.certificate import Certificate
from synthkit.anonymizing.digest import table_digest
from synthkit.anonymizing.run import AnonymizedTable, anonymize

__all__ = ["AnonymizedTable", "Certificate", "anonymize", "table_digest"]
