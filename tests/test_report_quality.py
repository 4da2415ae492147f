"""Quality in the report's table: counts in names, errors beside values."""

import cell_factory as factory

from bench.report.group import Group
from bench.report.quality import quality_columns
from bench.results import frame


def test_counts_are_part_of_the_names_of_metrics_that_depend_on_them():
    """A distance of 2,000 samples is another quantity than one of 50,000; errors stand beside every metric."""
    cell = factory.cell(samples=2000)
    cell["quality"] |= {
        "fd_corrected": 1.2, "fd_low": 1.1, "fd_high": 1.3, "fd_infinity": 1.25, "fd_infinity_se": 0.06,
        "fd_spread": 0.2, "sfd": 9.87, "sfd_se": 0.5, "kid": 0.0123, "kid_se": 0.0011, "ssim": 0.9, "ssim_low": 0.88,
        "ssim_high": 0.92,
    }  # fmt: skip
    shown = {}
    for column in quality_columns(Group("dit-tiny", [cell], [], None, 0, 0, {})):
        shown[column.heading] = column.text(frame([cell]).iloc[0])
    assert shown["FD without bias"] == "1.20 [1.10, 1.30]"
    assert shown["FD∞"] == "1.250 ± 0.060"
    assert shown["Spread of FD, n=500"] == "0.200"
    assert shown["sFD, n=2,000"] == "9.87 ± 0.50"
    assert shown["KID, n=2,000"] == "0.0123 ± 0.0011"
    assert shown["SSIM"] == "0.900 [0.880, 0.920]"
