"""Tables of texts as Markdown and as LaTeX: the one place that knows how each of them escapes."""

from __future__ import annotations

from collections.abc import Sequence

from bench.store.results import one_line

Texts = Sequence[str]


def markdown_table(heading: Texts, rows: Sequence[Texts]) -> str:
    """A table of plain texts: pipes, line ends, markup and HTML in them are escaped."""
    return "\n".join([_line(map(markdown_text, heading)), "|" + " --- |" * len(heading),
                      *(_line(map(markdown_text, row)) for row in rows)]) + "\n"  # fmt: skip


def _line(texts) -> str:  # type: ignore[no-untyped-def]
    return "| " + " | ".join(texts) + " |"


def markdown_text(text: str) -> str:
    """Text that Markdown shows as it is: no markup, no HTML, no new column or line."""
    safe = one_line(text).replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return safe.translate(_MARKDOWN)


_MARKDOWN = str.maketrans({c: f"\\{c}" for c in "|*_`[]#~"})


# What LaTeX reads as a command, what the fonts of its plain encoding lack, and signs that only mathematics has.
_TEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\char34{}", "[": "{[}", "]": "{]}", "±": r"$\pm$", "−": "$-$", "×": r"$\times$",
    "÷": r"$\div$", "–": "--", "—": "---", "…": r"\ldots{}", "∞": r"$\infty$", "→": r"$\to$", "≤": r"$\leq$",
    "≥": r"$\geq$", "²": "$^2$", "³": "$^3$", "°": r"$^\circ$", "“": "``", "”": "''", "’": "'", "‘": "`",
    "α": r"$\alpha$", "β": r"$\beta$", "γ": r"$\gamma$", "δ": r"$\delta$", "Δ": r"$\Delta$", "ε": r"$\epsilon$",
    "η": r"$\eta$", "θ": r"$\theta$", "λ": r"$\lambda$", "μ": r"$\mu$", "µ": r"$\mu$", "σ": r"$\sigma$",
    "τ": r"$\tau$",
}  # fmt: skip


def latex_text(text: str) -> str:
    """Text that LaTeX typesets as it is, whatever its engine; a character that no usual font has, as its code point."""
    line = one_line(text)
    if line.isascii():
        return line.translate(_TEX_TABLE)
    return "".join(_TEX.get(c) or (c if c < "\u0180" and c.isprintable() else f"U+{ord(c):04X}") for c in line)


_TEX_TABLE = str.maketrans(_TEX)


def latex_table(heading: Texts, rows: Sequence[Texts], caption: str, label: str, notes: Texts = ()) -> str:
    """A floating table for booktabs and graphicx: the first column left, the others right, shrunk where too wide.

    `caption` and `notes` are plain texts; `label` is letters, digits and hyphens.
    """
    lines = [
        r"\begin{table*}[tbp]", r"\centering", rf"\caption{{{latex_text(caption)}}}", rf"\label{{tab:{label}}}",
        r"\resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{l{'r' * (len(heading) - 1)}}}", r"\toprule", _row(heading), r"\midrule", *map(_row, rows),
        r"\bottomrule", r"\end{tabular}}", *_notes(notes), r"\end{table*}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _row(texts: Texts) -> str:
    return " & ".join(map(_stacked, texts)) + r" \\"


def _stacked(text: str) -> str:
    """What is separated by semicolons, such as several sources' numbers, one under another: a narrower column."""
    stacked = r"\\".join(latex_text(part) for part in text.split("; "))
    return rf"\shortstack[r]{{{stacked}}}" if "; " in text else stacked


def _notes(notes: Texts) -> list[str]:
    """Small print under the table, one paragraph each."""
    if not notes:
        return []
    return ["", r"\medskip\parbox{\textwidth}{\footnotesize", "\\par\n".join(map(latex_text, notes)), "}"]
