"""The report of a scan: one page that opens from disk, and the index of all scans."""
