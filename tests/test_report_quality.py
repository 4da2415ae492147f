"""Quality in the report's table: counts in names, errors beside values."""

import cell_factory as factory

from bench.show.report.bias import too_few
from bench.show.report.group import Group
from bench.show.report.page import write_report
from bench.show.report.quality import quality_columns
from bench.show.table import frame
from bench.store.results import read_results


def test_counts_are_part_of_the_names_of_metrics_that_depend_on_them():
    """A distance of 2,000 samples is another quantity than one of 50,000; errors stand beside every metric."""
    cell = factory.cell(samples=2000)
    cell["quality"] |= {
        "fd_corrected": 1.2, "fd_corrected_low": 1.1, "fd_corrected_high": 1.3,
        "fd_infinity": 1.25, "fd_infinity_se": 0.06, "fd_spread": 0.2, "sfd": 9.87, "sfd_se": 0.5, "kid": 0.0123,
        "kid_se": 0.0011, "ssim": 0.9, "ssim_low": 0.88, "ssim_high": 0.92,
    }  # fmt: skip
    cells, shown = factory.typed([cell]), {}
    for column in quality_columns(Group("dit-tiny", cells, [], None, 0, 0, {})):
        shown[column.heading] = column.text(frame(cells).iloc[0])
    assert shown["FD without bias"] == "1.20 [1.10, 1.30]"
    assert shown["FD∞"] == "1.250 ± 0.060"
    assert shown["Spread of FD, n=500"] == "0.200"
    assert shown["sFD, n=2,000"] == "9.87 ± 0.50"
    assert shown["KID, n=2,000"] == "0.0123 ± 0.0011"
    assert shown["SSIM"] == "0.900 [0.880, 0.920]"


def test_without_enough_samples_a_distance_without_bias_is_a_dash_with_its_reason(tmp_path):
    cells = [factory.cell(steps=steps, samples=511) for steps in (50, 20)] + [factory.cell(cache="fora", samples=511)]
    for cell in cells:
        cell["quality"] |= {"features": "digit-classifier", "fd_corrected": -16.1, "fd_infinity": -17.3}
    run = factory.write(tmp_path, cells)
    page = write_report(run).read_text()
    said = "n=511 is fewer than 4 samples for each of 128 dimensions"
    assert f"– ({said})</td>" in page
    assert f"Too few samples for an FD without bias: {said}." in (run / "table.md").read_text()
    assert ">−16.1" not in page
    assert ">−17.3" not in page
    assert -16.1 in [cell.quality.value("fd_corrected") for cell in read_results(run).cells], "what is stored stays"
    assert not too_few("digit-classifier", 512)
    assert not too_few("anybody's", 2)
