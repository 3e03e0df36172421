"""From matplotlib's SVG to the markup of a page: small, with ids of its own, colours by name, and what a script reads.

Text in, text out: knows no figure and needs no matplotlib.
"""

import hashlib
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape

from arb.view.report.text import visible

SAYS, LINE, MARK = "says:", "line:", "mark:"
"""A group whose id begins so bears words to show when it is pointed at, or the name of the line in it, or stands at a value."""

_OPENING = '<svg style="stroke-linejoin: round" font-family="system-ui, sans-serif" '


def small(svg: str, name: str, axes: Sequence[Mapping[str, str]] = ()) -> str:
    """Drop what a page does not need: prolog, metadata, styles that reach beyond the figure, digits nobody sees.

    `axes`: for each of the axes, in the order drawn, the attributes that a script goes by; without any none are kept.
    """
    svg = visible(svg[svg.index("<svg") :]).replace("<svg ", _OPENING, 1)
    for needless in (
        r"<metadata>.*?</metadata>\s*",
        r"<defs>\s*<style.*?</style>\s*</defs>\s*",
        r'; font-family: [^;"]*',
        r' transform="rotate\(-0 [^)]*\)"',
        r"; stroke-linecap: (?:square|butt)(?=[;\"])",
        r"(?m)^ +",
        r" +$",
    ):
        svg = re.sub(needless, "", svg, flags=re.DOTALL)
    svg = re.sub(r' (?:d|x|y|transform)="[^"]*"', _tenths, svg)
    svg = _marked_once(_parted(svg, axes) if axes else svg)
    return _ungrouped(_own_ids(svg, name))


def _ungrouped(svg: str) -> str:
    """Drop groups that say nothing about what is in them, and the white space between elements."""
    kept, open_groups = list[str](), list[str]()
    for token in re.split(r"(<g/>|<g(?: [^>]*)?>|</g>)", svg):
        if token == "</g>":
            token = open_groups.pop()
        elif token.startswith("<g") and token != "<g/>":
            open_groups.append("</g>" if token != "<g>" else "")
        kept.append("" if token in ("<g>", "<g/>") else token)
    return re.sub(r">\s+<", "><", "".join(kept))


def _tenths(found: re.Match[str]) -> str:
    """Return an attribute with its numbers to a tenth of a point, which is enough for any eye, and its path in short."""
    text = re.sub(r"(\d)\.0(?!\d)", r"\1", re.sub(r"(\d\.\d)\d+", r"\1", found[0]))
    steps = re.findall(r"([MLz])(?: (\S+) (\S+))?\s*", text[4:-1])
    if not text.startswith(' d="') or "".join(step[0] for step in steps) != re.sub(r"[^A-Za-z]", "", text[4:-1]):
        return text.replace("\n", "")
    path, at = [], ("", "")
    for letter, x, y in steps:
        if letter == "L" and y == at[1]:
            path.append(f"H{x}")
        elif letter == "L" and x == at[0]:
            path.append(f"V{y}")
        else:
            path.append(f"{letter}{x} {y}".strip())
        at = x, y
    return f' d="{"".join(path)}"'


def _marked_once(svg: str) -> str:
    """Give a marker that is always drawn alike its style, instead of giving it to each of its thousand uses."""
    uses = re.compile(r'<use xlink:href="#([\w.-]+)" ([^>]*?) style="([^"]*)"/>')
    styles: dict[str, set[str]] = {}
    for marker, _, style in uses.findall(svg):
        styles.setdefault(marker, set()).add(style)
    alike = {marker: next(iter(kinds)) for marker, kinds in styles.items() if len(kinds) == 1}
    svg = uses.sub(lambda m: f'<use xlink:href="#{m[1]}" {m[2]}/>' if m[1] in alike else m[0], svg)
    return re.sub(
        r'<path id="([\w.-]+)" ([^>]*?)(?: style="[^"]*")?/>',
        lambda m: f'<path id="{m[1]}" {m[2]} style="{alike[m[1]]}"/>' if m[1] in alike else m[0],
        svg,
    )


def classed(markup: str) -> tuple[str, str]:
    """Return the markup with a class for every style attribute, and the style sheet that gives the classes their looks.

    A page whose policy allows its one style sheet, by hash, has no other styles: attributes would need a hash each.
    """
    names: dict[str, str] = {}

    def named(tag: re.Match[str]) -> str:
        return re.sub(
            r' style="([^"]*)"', lambda found: f' class="{names.setdefault(found[1], f"s{len(names)}")}"', tag[0]
        )

    # Text holds no angle bracket: what looks like an attribute in a text stays as it is.
    marked = re.sub(r"<[^<>]*>", named, markup)
    return marked, "".join(f".{name} {{ {style} }}\n" for style, name in names.items())


def digest(text: str) -> str:
    """Return the source expression of a Content-Security-Policy that allows exactly this inlined text."""
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _own_ids(svg: str, name: str) -> str:
    """Drop ids nobody refers to, and number the rest under the figure's name: a page holds many figures."""
    used = dict.fromkeys(re.findall(r'(?:url\(#|href="#)([\w.-]+)', svg))
    short = {old: f"{name}-{number}" for number, old in enumerate(used)}
    svg = re.sub(r' id="([\w.-]+)"', lambda m: f' id="{short[m[1]]}"' if m[1] in short else "", svg)
    return re.sub(r'(url\(#|href="#)([\w.-]+)', lambda m: m[1] + short[m[2]], svg)


def _parted(svg: str, axes: Sequence[Mapping[str, str]]) -> str:
    """Give axes, their ticks and what bears words attributes in the place of ids."""
    for number, attributes in enumerate(axes, 1):
        named = "".join(f' {name}="{escape(text)}"' for name, text in attributes.items())
        svg = svg.replace(f'<g id="axes_{number}">', f'<g class="axes"{named}>')
    svg = re.sub(r'<g id="([xy])tick_\d+">', r'<g class="\1">', svg)
    return re.sub(
        rf'<g id="({SAYS}|{LINE}|{MARK})([^"]*)">', lambda found: f'<g data-{found[1][:-1]}="{found[2]}">', svg
    )
