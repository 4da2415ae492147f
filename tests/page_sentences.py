"""The sentences that a reader meets on a page: of paragraphs, lists, captions and summaries, not of tables or code."""

import re
from html.parser import HTMLParser

PROSE = {"p", "li", "summary", "figcaption", "dd"}
SKIPPED = {"script", "style", "table", "svg", "code", "noscript", "title"}
VOID = {"meta", "link", "img", "br", "input"}


class _Prose(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.texts = [], []

    def handle_starttag(self, tag, attrs):
        if tag in PROSE:
            self.texts.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in self.open:
            while self.open.pop() != tag:
                pass

    def handle_data(self, data):
        if self.texts and PROSE & set(self.open) and not SKIPPED & set(self.open):
            self.texts[-1] += data


def sentences(page):
    """Every sentence of a page's HTML; one ends at a full stop or question mark, or with its element."""
    prose = _Prose()
    prose.feed(page)
    texts = [" ".join(text.split()) for text in prose.texts]
    return [sentence for text in texts for sentence in re.split(r"(?<=[.!?])\s", text) if sentence]


def words(sentence):
    """How many words a sentence has; signs and numbers alone are none."""
    return sum(bool(re.search(r"[^\W\d_]", word)) for word in sentence.split())
