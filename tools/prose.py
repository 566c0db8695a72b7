"""Find numbers that were typed into prose, where they should come from a run through glue.

Design constants may be typed: they are listed with their reason in `tests/typed_numbers.yml`.
"""

import re

FENCE = re.compile(r"^\s*(`{3,}|~{3,}|:{3,})(\{[\w:-]+\})?")
#: Directives whose content is not prose.
SILENT = {"{code-cell}", "{math}", "{eval-rst}", "{bibliography}", "{tableofcontents}", "{include}"}
#: Inline parts in which a number is not a typed result, in the order of their removal.
NOT_PROSE = (
    r"(?ms)^ *\$\$.*?\$\$[^\n]*",  # displayed equations are definitions
    r"(?m)^ *:\w[\w-]*:.*$",  # options of directives
    r"(?m)^\([\w-]+\)=\s*$",  # labels
    r"\{[\w:.-]+\}`[^`]*`",  # roles: glue, cite, numref, doc, ...
    r"`[^`]*`",  # code
    r"<[^>\n]*>",  # html and automatic links
    r"\]\([^)]*\)",  # targets of links
    r"https?://\S+",
    r"(?m)^ *\d+\. ",  # numbers of list items
)
NUMBER = re.compile(r"(?<![\w.^_])\d+(?:[.,]\d+)*(?:\s?(?:%|×|\\%))?")
#: Counting, as in "two of 3 panels".
SMALL = {str(number) for number in range(13)}


def without_code(markdown):
    """Markdown without code blocks and silent directives; what a directive says is kept."""
    kept, open_fences = [], []
    for line in markdown.split("\n"):
        fence = FENCE.match(line)
        if fence and open_fences and fence[1].startswith(open_fences[-1][0]) and not fence[2]:
            open_fences.pop()
        elif fence and not any(silent for _, silent in open_fences):
            silent = not fence[2] and fence[1][0] != ":" or fence[2] in SILENT
            open_fences.append((fence[1], silent))
            kept.append(line[fence.end() :])  # the title of an admonition
        elif not any(silent for _, silent in open_fences):
            kept.append(line)
    return "\n".join(kept)


def typed_numbers(markdown):
    """Numbers in the prose of a Markdown text, in the order they are read."""
    markdown = without_code(markdown)
    for pattern in NOT_PROSE:
        markdown = re.sub(pattern, " ", markdown)
    found = (re.sub(r"\s|\\", "", match.group()) for match in NUMBER.finditer(markdown))
    return [number for number in found if number not in SMALL]
