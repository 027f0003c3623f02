"""Competition bundles: exported for Codabench (version 2), imported from Codabench and from CodaLab 1.5."""

from __future__ import annotations

from datauab.bundles.exporting import export_bundle
from datauab.bundles.importing import import_bundle
from datauab.bundles.records import BundleError, Exported, Imported, Remark

__all__ = ["BundleError", "Exported", "Imported", "Remark", "export_bundle", "import_bundle"]
