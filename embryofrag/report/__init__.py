"""The report: ledger -> tables -> workbook, page and pictures. Reads results; never runs an engine again."""
