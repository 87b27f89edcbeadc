"""The benchmark harness: data sets x synthesizers x metrics -> one table. See README.md here."""
