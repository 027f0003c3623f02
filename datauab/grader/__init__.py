"""The grader service: takes attempts from the ledger's queue, grades them, and records how each ended."""
