"""The lessons, a folder each, and the laboratory that several of them share."""
