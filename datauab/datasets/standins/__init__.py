"""Made-up raw data of the same schema and size, for places where the real data cannot be had; always marked so."""
