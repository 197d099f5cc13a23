"""Reports for people and for CI: HTML without scripts, SVG charts, Markdown, JUnit."""
