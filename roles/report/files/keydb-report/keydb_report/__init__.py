"""The report: what all results add up to, as one page. It reads files and asks nobody."""
