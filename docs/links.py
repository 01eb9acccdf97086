"""Checks that every link of a site leads to a file in it, and to a heading of that file. Usage: links.py FOLDER"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The links of a page, and the places in it that a link can lead to."""

    def __init__(self, path):
        super().__init__()
        self.links, self.places = [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if attributes.get("id"):
            self.places.add(attributes["id"])
        link = attributes.get({"a": "href", "img": "src"}.get(tag))
        if link:
            self.links.append(link)


def wrong_links(folder):
    """The links that lead nowhere, each with its page."""
    pages = {path: Page(path) for path in folder.rglob("*.html")}
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or path.name == "404.html":
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists():
                yield path, link
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].places:
                yield path, link


def main():
    folder = Path(sys.argv[1]).resolve()
    if not (folder / "index.html").exists():
        sys.exit(f"links: {folder} has no index.html")
    wrong = [f"links: {path.relative_to(folder)}: {link}" for path, link in wrong_links(folder)]
    sys.exit("\n".join(wrong) or None)


if __name__ == "__main__":
    main()
